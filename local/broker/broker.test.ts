import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { createBroker, type SubscriberResponse } from '#local/broker/broker.ts';
import { event, inProcess, manifestsOf, trigger, type Event, type Subscribers } from '#local/broker/fixtures.ts';
import type { Trigger } from '#local/broker/manifests.ts';

const failed: SubscriberResponse = { status: 500 };
const ingress = 'http://broker-ingress.knative-eventing.svc.cluster.local/shop/default';

function start(triggers: Trigger[], subscribers: Subscribers = {}) {
  const { deliver, given } = inProcess(subscribers);
  const lost: string[] = [];
  const manifests = manifestsOf(...triggers);
  const broker = createBroker({ manifests, deliver, onDrop: ({ id }, reason) => lost.push(`${id} ${reason}`) });
  return { broker, given, lost };
}

const replying = (type: string, more?: Partial<Event>) => () => ({ status: 200, event: event(type, more) });

describe('who gets an event', () => {
  const triggers = [trigger('*', 'everything'), trigger('a', 'first'), trigger('a', 'second'), trigger('b', 'third')];
  test.each([
    ['a', ['everything', 'first', 'second']],
    ['b', ['everything', 'third']],
    ['unknown', ['everything']],
  ])('%s: every Trigger that wants it, once', async (type, expected) => {
    const { broker, given } = start(triggers);
    expect(await broker.ingest(event(type))).toEqual({ status: 202 });
    const counts = triggers.map(({ subscriber }) => [subscriber, given(subscriber).length]);
    expect(counts).toEqual(triggers.map(({ subscriber }) => [subscriber, expected.includes(subscriber) ? 1 : 0]));
  });

  test('an event that nobody wants is accepted', async () => {
    const { broker, lost } = start([trigger('a', 'first')]);
    expect(await broker.ingest(event('b'))).toEqual({ status: 202 });
    expect(lost).toEqual([]);
  });

  test('subscribers share one event: its attributes, the time it arrived, and the very data that came in', async () => {
    const { broker, given } = start([trigger('a', 'first'), trigger('a', 'second')]);
    const data = { orderId: 'o1' };
    await broker.ingest(event('a', { data, correlationid: 'c' }));
    const [received] = given('first');
    expect(received).toEqual({ ...event('a'), data, correlationid: 'c', knativearrivaltime: expect.any(String) });
    expect(received?.data).toBe(data);
    expect(given('second')[0]).toBe(received);
  });
});

describe('replies', () => {
  test('an event that answers itself goes around 255 times and is then dead-lettered', async () => {
    const triggers = [trigger('a', 'echo', { deadLetterSink: 'sink' })];
    const { broker, given } = start(triggers, { echo: replying('a', { knativebrokerttl: 9000 }) });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('echo')).toHaveLength(255);
    expect(given('sink')).toMatchObject([{ knativeerrorcode: '400', knativeerrordest: ingress }]);
    expect(given('echo').some((received) => 'knativebrokerttl' in received)).toBe(false);
  });
});

describe('retries', () => {
  const delivery = { retry: 3, deadLetterSink: 'sink' };

  test('one subscriber that fails keeps the event from no other', async () => {
    const { broker, given } = start([trigger('a', 'broken', delivery), trigger('a', 'sound')], {
      broken: () => failed,
    });
    await broker.ingest(event('a'));
    expect(given('sound')).toHaveLength(1);
  });

  test('a delivery that breaks counts as no connection', async () => {
    const breaking = () => Promise.reject(new Error('a bug'));
    const { broker, given } = start([trigger('a', 'broken', delivery)], { broken: breaking });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('broken')).toHaveLength(4);
  });
});

describe('dead letters', () => {
  const delivery = { retry: 0, deadLetterSink: 'sink' };

  test('an error body that would end Knative is reported with its function, and is no data of the dead letter', async () => {
    const errors: string[] = [];
    const { deliver, given } = inProcess({ first: () => ({ status: 400, body: 'é'.repeat(385) }) });
    const manifests = manifestsOf(trigger('a', 'first', delivery));
    await createBroker({ manifests, deliver, onError: (message) => errors.push(message) }).ingest(event('a'));
    expect(errors).toEqual([
      "first returned 400 with more than 768 bytes for 1.a: Knative's in-memory dispatcher would end here",
    ]);
    expect(given('sink')).toMatchObject([{ knativeerrorcode: '400' }]);
    expect(given('sink')[0]).not.toHaveProperty('knativeerrordata');
  });

  test('an event that cannot be dead-lettered either is lost, and the producer gets 500', async () => {
    const { broker, lost } = start([trigger('a', 'first', delivery)], { first: () => failed, sink: () => failed });
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: dead letter sink sink returned 500']);
  });
});

describe('the end', () => {
  test('idle waits for what is in flight, replies included', async () => {
    const { promise: slow, resolve: finish } = Promise.withResolvers<SubscriberResponse>();
    const { broker, given } = start([trigger('a', 'first'), trigger('b', 'second')], { first: () => slow });
    void broker.ingest(event('a'));
    let idle = false;
    const idling = broker.idle().then(() => (idle = true));
    await turn();
    expect(idle).toBe(false);
    finish({ status: 200, event: event('b') });
    await idling;
    expect(given('second')).toHaveLength(1);
  });

  test('closing gives up the retries that wait and takes nothing more', async () => {
    const hours = { retry: 3, backoffDelayMs: 10_000_000, deadLetterSink: 'sink' };
    const { broker, given, lost } = start([trigger('a', 'first', hours)], { first: () => failed });
    const response = broker.ingest(event('a'));
    await turn();
    await broker.close();
    expect(await response).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: the broker was closed']);
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(given('first')).toHaveLength(1);
  });
});
