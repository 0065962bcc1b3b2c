import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { createBroker, type SubscriberResponse } from '#local/broker/broker.ts';
import { event, inProcess, manifestsOf, trigger, type Event, type Subscribers } from '#local/broker/fixtures.ts';
import type { Trigger } from '#events/topology/manifests.ts';

const failed: SubscriberResponse = { status: 500 };
const ingress = 'http://broker-ingress.knative-eventing.svc.cluster.local/shop/default';

function start(triggers: Trigger[], subscribers: Subscribers = {}) {
  const { deliver, received } = inProcess(subscribers);
  const lost: string[] = [];
  const manifests = manifestsOf(...triggers);
  const broker = createBroker({ manifests, deliver, onDrop: ({ id }, reason) => lost.push(`${id} ${reason}`) });
  return { broker, received, lost };
}

const replying = (type: string, more?: Partial<Event>) => () => ({ status: 200, event: event(type, more) });

describe('delivery', () => {
  const triggers = [trigger('*', 'everything'), trigger('a', 'first'), trigger('a', 'second'), trigger('b', 'third')];
  test.each([
    ['a', ['everything', 'first', 'second']],
    ['b', ['everything', 'third']],
    ['unknown', ['everything']],
  ])('delivers an event of type %s once to every Trigger that matches', async (type, expected) => {
    const { broker, received } = start(triggers);
    expect(await broker.ingest(event(type))).toEqual({ status: 202 });
    const counts = triggers.map(({ subscriber }) => [subscriber, received(subscriber).length]);
    expect(counts).toEqual(triggers.map(({ subscriber }) => [subscriber, expected.includes(subscriber) ? 1 : 0]));
  });

  test('accepts an event that no Trigger matches', async () => {
    const { broker, lost } = start([trigger('a', 'first')]);
    expect(await broker.ingest(event('b'))).toEqual({ status: 202 });
    expect(lost).toEqual([]);
  });

  test('passes one event object to all subscribers, with its arrival time and the same data object', async () => {
    const { broker, received } = start([trigger('a', 'first'), trigger('a', 'second')]);
    const data = { orderId: 'o1' };
    await broker.ingest(event('a', { data, correlationid: 'c' }));
    const [first] = received('first');
    expect(first).toEqual({ ...event('a'), data, correlationid: 'c', knativearrivaltime: expect.any(String) });
    expect(first?.data).toBe(data);
    expect(received('second')[0]).toBe(first);
  });
});

describe('replies', () => {
  test('dead-letters an event after 255 passes of a subscriber that replies with the same event', async () => {
    const triggers = [trigger('a', 'echo', { deadLetterSink: 'sink' })];
    const { broker, received } = start(triggers, { echo: replying('a', { knativebrokerttl: 9000 }) });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(received('echo')).toHaveLength(255);
    expect(received('sink')).toMatchObject([{ knativeerrorcode: '400', knativeerrordest: ingress }]);
    expect(received('echo').some((one) => 'knativebrokerttl' in one)).toBe(false);
  });
});

describe('retries', () => {
  const delivery = { retry: 3, deadLetterSink: 'sink' };

  test('delivers an event to the other subscribers when one fails', async () => {
    const { broker, received } = start([trigger('a', 'broken', delivery), trigger('a', 'healthy')], {
      broken: () => failed,
    });
    await broker.ingest(event('a'));
    expect(received('healthy')).toHaveLength(1);
  });

  test('retries a delivery that throws like a refused connection', async () => {
    const throwing = () => Promise.reject(new Error('a bug'));
    const { broker, received } = start([trigger('a', 'broken', delivery)], { broken: throwing });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(received('broken')).toHaveLength(4);
  });
});

describe('dead letters', () => {
  const delivery = { retry: 0, deadLetterSink: 'sink' };

  test('reports a function whose error body would crash Knative, and omits the body from the dead letter', async () => {
    const errors: string[] = [];
    const { deliver, received } = inProcess({ first: () => ({ status: 400, body: 'é'.repeat(385) }) });
    const manifests = manifestsOf(trigger('a', 'first', delivery));
    await createBroker({ manifests, deliver, onError: (message) => errors.push(message) }).ingest(event('a'));
    expect(errors).toEqual([
      "first returned 400 with more than 768 bytes for 1.a: Knative's in-memory dispatcher would crash",
    ]);
    expect(received('sink')).toMatchObject([{ knativeerrorcode: '400' }]);
    expect(received('sink')[0]).not.toHaveProperty('knativeerrordata');
  });

  test('loses an event whose dead letter sink fails too, and returns 500 to the producer', async () => {
    const { broker, lost } = start([trigger('a', 'first', delivery)], { first: () => failed, sink: () => failed });
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: dead letter sink sink returned 500']);
  });
});

describe('shutdown', () => {
  test('waits in idle() for all deliveries in flight, including replies', async () => {
    const { promise: slow, resolve: finish } = Promise.withResolvers<SubscriberResponse>();
    const { broker, received } = start([trigger('a', 'first'), trigger('b', 'second')], { first: () => slow });
    void broker.ingest(event('a'));
    let idle = false;
    const idling = broker.idle().then(() => (idle = true));
    await turn();
    expect(idle).toBe(false);
    finish({ status: 200, event: event('b') });
    await idling;
    expect(received('second')).toHaveLength(1);
  });

  test('aborts pending retries and accepts nothing more once it is closed', async () => {
    const hours = { retry: 3, backoffDelayMs: 10_000_000, deadLetterSink: 'sink' };
    const { broker, received, lost } = start([trigger('a', 'first', hours)], { first: () => failed });
    const response = broker.ingest(event('a'));
    await turn();
    await broker.close();
    expect(await response).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: the broker was closed']);
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(received('first')).toHaveLength(1);
  });
});
