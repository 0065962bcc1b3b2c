import { afterAll, describe, expect, test } from '@jest/globals';
import { createBroker } from '#local/broker/broker.ts';
import { differencesOf, manifestsOf, serveSubscribers } from '#local/broker/conformance-run.ts';
import { scenarios, type Scenario } from '#local/broker/conformance.ts';
import { folderOf } from '#local/broker/fixtures.ts';
import { deliverOverHttp, serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#events/topology/manifests.ts';

const subscribers = await serveSubscribers('127.0.0.1');
afterAll(subscribers.close);

// port 1 refuses connections
const urlOf = (name: string) => `http://127.0.0.1:${name === 'unreachable' ? 1 : subscribers.port}/${name}`;

/** Runs every case of a scenario at once, each with its own event. */
async function run(scenario: Scenario, index: number) {
  const names = { namespace: 'shop', broker: `broker${index}` };
  const manifests = manifestsOf(scenario, names, (name) => ({ ref: { kind: 'Service', name } }));
  const broker = createBroker({
    manifests: readManifests(folderOf(...manifests.map((one) => JSON.stringify(one)))),
    deliver: deliverOverHttp(urlOf),
    onError: () => undefined,
  });
  const server = await serveBroker(broker, { port: 0 });
  const place = {
    ...names,
    subscribers,
    ingressUrl: `http://127.0.0.1:${server.port}`,
    addressOf: (name: string) => `http://${name}.shop.svc.cluster.local`,
  };
  const cases = scenario.cases.map(async (one, number) => ({
    name: one.name,
    differences: await differencesOf(one, one.local ?? one, `${index}.${number}`, place),
  }));
  const ran = await Promise.all(cases);
  await server.close();
  return { name: scenario.name, ran };
}

const results: Awaited<ReturnType<typeof run>>[] = [];
// sequentially, because waits are measured
for (const [index, scenario] of scenarios.entries()) results.push(await run(scenario, index));

describe.each(results)('the local broker behaves like Knative: $name', ({ ran }) => {
  // promise: broker-conformance
  test.each(ran)('$name', ({ differences }) => expect(differences).toEqual([]));
});
