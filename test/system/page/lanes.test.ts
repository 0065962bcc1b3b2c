import { expect, test } from '@jest/globals';
import { hopsOf, readContracts } from '#diagrams/hops.ts';
import { readManifests } from '#local/broker/manifests.ts';

const chain = new URL('../../../web/chain.js', import.meta.url);

test('draws each event of an order from its producer to the subscriber of its Trigger', async () => {
  const { consumers } = (await import(chain.href)) as { consumers: Record<string, string> };
  const contracts = await readContracts(new URL('../../../events/', import.meta.url));
  const hops = hopsOf(contracts, readManifests('broker').triggers);
  const ofOrders = contracts.flatMap(({ type }, index) =>
    /^shop\.(order|charge)\./.test(type) ? [[type, hops[index]?.subscribers]] : [],
  );
  expect(
    Object.entries(consumers)
      .map(([type, consumer]) => [type, [consumer]])
      .toSorted(),
  ).toEqual(ofOrders.toSorted());
});
