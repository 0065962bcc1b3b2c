import { expect, test } from '@jest/globals';
import { folderOf } from '#local/broker/fixtures.ts';
import { readManifests } from '#events/topology/manifests.ts';

const sink = (name: string) =>
  `deadLetterSink: { ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: ${name} } }`;

const broker = (delivery = '{}') => `
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: { name: default, namespace: shop }
spec: { delivery: ${delivery} }`;

const trigger = (more = '', name = 'a-to-b', namespace = 'shop') => `
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  broker: default
  subscriber: { ref: { apiVersion: serving.knative.dev/v1, kind: Service, name: b } }
  ${more}`;

function deliveryOf(ofBroker: string, ofTrigger: string) {
  return readManifests(folderOf(broker(ofBroker), trigger(ofTrigger))).triggers[0]?.delivery;
}

test('reads the Broker and the Triggers of a folder, several per file, and ignores other manifests', () => {
  const folder = folderOf(
    `kind: ConfigMap\napiVersion: v1\n---\n${broker()}\n---\n${trigger('filter: { attributes: { type: a } }')}\n---\n`,
    trigger('filters: [{ prefix: { type: a } }]', 'second'),
  );
  expect(readManifests(folder)).toMatchObject({
    broker: { name: 'default', namespace: 'shop' },
    triggers: [
      { name: 'a-to-b', subscriber: 'b', filter: { type: 'a' } },
      { name: 'second', subscriber: 'b', filters: [{ prefix: { type: 'a' } }] },
    ],
  });
});

test("replaces the Broker's delivery by the Trigger's as a whole", () => {
  const ofBroker = `{ retry: 7, backoffPolicy: linear, backoffDelay: PT1S, timeout: PT3S, ${sink('dead-letters')} }`;
  const ofTrigger = `delivery: { retry: 1, ${sink('other')} }`;
  expect(deliveryOf(ofBroker, ofTrigger)).toEqual({
    retry: 1,
    backoffPolicy: 'exponential',
    backoffDelayMs: 0,
    timeoutMs: 15 * 60_000,
    deadLetterSink: 'other',
  });
  expect(deliveryOf(ofBroker, '')).toEqual({
    retry: 7,
    backoffPolicy: 'linear',
    backoffDelayMs: 1000,
    timeoutMs: 3000,
    deadLetterSink: 'dead-letters',
  });
});

test('falls back to the dead letter sink of the Broker', () => {
  expect(deliveryOf(`{ retry: 7, ${sink('dead-letters')} }`, 'delivery: { retry: 1 }')).toMatchObject({
    retry: 1,
    deadLetterSink: 'dead-letters',
  });
});

test('does not retry a delivery that only has a dead letter sink', () => {
  expect(deliveryOf('{ retry: 7 }', `delivery: { ${sink('dead-letters')} }`)).toMatchObject({ retry: 0 });
});

test('retries ten times for a Broker without a delivery, as the defaults of Knative', () => {
  const ofBroker = broker().replace('delivery: {}', '');
  expect(readManifests(folderOf(ofBroker, trigger())).triggers[0]?.delivery).toMatchObject({
    retry: 10,
    backoffPolicy: 'exponential',
    backoffDelayMs: 200,
  });
});

test('reads retryAfterMax, and the format of the Trigger only', () => {
  const more = '{ retryAfterMax: PT5S, format: json }';
  expect(deliveryOf(more, '')).toMatchObject({ retryAfterMaxMs: 5000, format: undefined });
  expect(deliveryOf('{}', `delivery: ${more}`)).toMatchObject({ retryAfterMaxMs: 5000, format: 'json' });
});

test.each([
  ['PT0.1S', 100],
  ['PT10S', 10_000],
  ['PT1M', 60_000],
  ['PT1M30S', 90_000],
  ['PT2H', 7_200_000],
  ['P1D', 86_400_000],
])('reads a timeout of %s as %d milliseconds', (text, ms) => {
  expect(deliveryOf(`{ timeout: ${text} }`, '')).toMatchObject({ timeoutMs: ms });
});

test.each(['10s', 'P', 'PT', 'PT1', 'P1DT', 'PT-1S', 'PT0S', 'P2D', '1000'])('refuses a timeout of %s', (text) => {
  expect(() => deliveryOf(`{ timeout: ${text} }`, '')).toThrow('0.yaml: spec.delivery.timeout: ');
});

test.each<[string, string[], string | RegExp]>([
  ['no YAML', [broker(), 'a: ['], '1.yaml: is not YAML'],
  ['another version', [broker(), trigger().replace('/v1', '/v1beta1')], '1.yaml: apiVersion: '],
  [
    'another kind of the same group',
    [broker(), trigger().replace('Trigger', 'Triger')],
    '1.yaml: kind: must be Broker or',
  ],
  ['a misspelt field', [broker(), trigger('delivery: { retries: 3 }')], /1\.yaml: spec\.delivery: .*retries/],
  ['retries that are not a number', [broker(), trigger('delivery: { retry: many }')], '1.yaml: spec.delivery.retry: '],
  ['an unknown backoff', [broker(), trigger('delivery: { backoffPolicy: random }')], 'spec.delivery.backoffPolicy: '],
  ['an unsupported filter', [broker(), trigger('filters: [{ cesql: "true" }]')], 'spec.filters.0.cesql: '],
  [
    'an attribute that is not a string',
    [broker(), trigger('filter: { attributes: { type: 1 } }')],
    'filter.attributes.type: ',
  ],
  [
    'a subscriber by address',
    [broker(), trigger().replace(/subscriber: .*/, 'subscriber: { uri: a }')],
    'spec.subscriber.ref: is required',
  ],
  ['no Broker', [trigger()], 'must hold one Broker, found 0'],
  ['two Brokers', [broker(), broker()], 'must hold one Broker, found 2'],
  ['a Trigger of another Broker', [broker().replace('default', 'other'), trigger()], '1.yaml: spec.broker: '],
  ['a Trigger elsewhere', [broker(), trigger('', 'a', 'other')], '1.yaml: metadata.namespace: '],
  ['two Triggers of one name', [broker(), trigger(), trigger()], '2.yaml: metadata.name: '],
])('refuses a folder with %s and names the file and the field', (_, documents, message) => {
  expect(() => readManifests(folderOf(...documents))).toThrow(message);
});

test("reads the shop's own manifests", () => {
  expect(readManifests('broker').broker).toMatchObject({ name: 'default', namespace: 'shop' });
});
