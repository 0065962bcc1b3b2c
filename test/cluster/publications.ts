import { samplesIn } from '#test/support/metrics.ts';
import { kubectl, namespace } from './client.ts';
import { podsOf } from './pods.ts';

/** The functions that publish the first events of chains, and `sweep`, which repeats them. */
const publishers = 'create-order, cancel-order, deposit-money, register-user, sweep';

/** Publications of first events of chains, by pod: counters of processes. */
export type Publications = Map<string, { first: number; repeated: number }>;

const read = `fetch('http://127.0.0.1:8080/metrics').then((it) => it.text()).then(console.log)`;

/** What the running instances have published so far; undefined if the shop does not count it. */
export async function readPublications(): Promise<Publications | undefined> {
  const pods = await podsOf({ namespace, selector: `serving.knative.dev/service in (${publishers})` });
  const found: Publications = new Map();
  let isCounted = false;
  for (const { metadata } of pods) {
    // an instance may have ended in the meantime
    const text = await kubectl(
      '-n',
      namespace,
      'exec',
      metadata.name,
      '-c',
      'user-container',
      '--',
      'node',
      '-e',
      read,
    ).catch(() => '');
    isCounted ||= text.includes('shop_publications_total');
    const samples = samplesIn(text).filter(({ name }) => name === 'shop_publications_total');
    const of = (attempt: string) =>
      samples.reduce((sum, { labels, value }) => sum + (labels['attempt'] === attempt ? value : 0), 0);
    if (text) found.set(metadata.uid, { first: of('first'), repeated: of('repeated') });
  }
  return isCounted ? found : undefined;
}

/** How many publications in between were repeated, per hundred first ones, by the processes that still run. */
export function repeatedPercent(before?: Publications, after?: Publications): number | undefined {
  if (!before || !after) return undefined;
  const total = { first: 0, repeated: 0 };
  for (const [uid, now] of after) {
    total.first += now.first - (before.get(uid)?.first ?? 0);
    total.repeated += now.repeated - (before.get(uid)?.repeated ?? 0);
  }
  return total.first > 0 ? (100 * total.repeated) / total.first : undefined;
}
