import { setTimeout as pause } from 'node:timers/promises';
import { until } from '#test/support/until.ts';
import { kubectl, namespace } from './client.ts';
import { deleteByForce, places, podsOf, readyAgain, type Deletion } from './pods.ts';
import { undoing } from './undo.ts';

// Admits no new pods. Fencing the standbys instead (`cnpg.io/fencedInstances`) can leave the operator in a failover that
// never ends.
const quota = ['quota', 'no-new-pods'];
const admitNoPods = () => kubectl('-n', namespace, 'create', ...quota, '--hard=pods=0');
const admitPods = () => kubectl('-n', namespace, 'delete', ...quota, '--ignore-not-found');

/** Longer than the shop waits for a statement: orders that hang get their 503 in the meantime. */
const aloneMs = 13_000;

/** A time without any synchronous standby. */
export interface Alone extends Deletion {
  /** When no standby ran any more. */
  from: number;
  /** When the standbys were let in again. */
  to: number;
}

/** Deletes every standby by force, the primary some seconds later, and only then lets their pods return. */
export async function loseStandbysAndPrimary(): Promise<Alone> {
  return undoing(admitPods, async () => {
    await admitNoPods();
    await deleteByForce(places.standbys);
    await until('no standby follows the primary', async () => (await followers()) === 0);
    const from = Date.now();
    await pause(aloneMs);
    const deletion = await deleteByForce(places.primary);
    await pause(2_000);
    return { ...deletion, from, to: Date.now() };
  });
}

/** Waits until every server is a ready one again. */
export async function allServersReady(): Promise<void> {
  const wanted = await kubectl(
    '-n',
    namespace,
    'get',
    'clusters.postgresql.cnpg.io',
    'postgres',
    '-o',
    'jsonpath={.spec.instances}',
  );
  await readyAgain(places.servers, Number(wanted), { deletedAt: 0, uids: new Set() }, 180_000);
}

/** How many standbys the primary sends its log to. */
async function followers(): Promise<number> {
  const [primary] = await podsOf(places.primary);
  const query = 'select count(*) from pg_stat_replication';
  const pod = primary?.metadata.name ?? '';
  return Number(await kubectl('-n', namespace, 'exec', pod, '-c', 'postgres', '--', 'psql', '-qAtc', query));
}
