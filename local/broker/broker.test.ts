import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { createBroker, type Answer } from '#local/broker/broker.ts';
import * as fixtures from '#local/broker/fixtures.ts';
import { event, folderOf, inProcess, inTurn, manifestsOf, trigger, type Event } from '#local/broker/fixtures.ts';
import { readManifests, type Manifests, type Trigger } from '#local/broker/manifests.ts';

const failed: Answer = { status: 500 };
const { taken } = fixtures;
const ingress = 'http://broker-ingress.knative-eventing.svc.cluster.local/shop/default';

function start(triggers: Trigger[] | Manifests, subscribers: fixtures.Subscribers = {}) {
  const { deliver, given } = inProcess(subscribers);
  const lost: string[] = [];
  const manifests = Array.isArray(triggers) ? manifestsOf(...triggers) : triggers;
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

  test.each([
    ['no id', { id: '' }],
    ['no source', { source: '' }],
    ['no type', { type: '' }],
    ['an unknown specversion', { specversion: '19.0' }],
  ])('an event with %s is refused', async (_, wrong) => {
    const { broker, given } = start([trigger('*', 'everything')]);
    expect(await broker.ingest({ ...event('a'), ...wrong })).toEqual({ status: 400 });
    expect(given('everything')).toEqual([]);
  });
});

describe('replies', () => {
  test('a reply reaches the next Trigger before the producer has its answer', async () => {
    const { broker, given } = start([trigger('a', 'first'), trigger('b', 'second')], { first: replying('b') });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('second')).toMatchObject([{ type: 'b' }]);
  });

  test('an event that answers itself goes around 255 times and is then parked', async () => {
    const triggers = [trigger('a', 'echo', { deadLetterSink: 'parked' })];
    const { broker, given } = start(triggers, { echo: replying('a', { knativebrokerttl: 9000 }) });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('echo')).toHaveLength(255);
    expect(given('parked')).toMatchObject([{ knativeerrorcode: '400', knativeerrordest: ingress }]);
    expect(given('echo').some((received) => 'knativebrokerttl' in received)).toBe(false);
  });

  test.each([
    ['3', 202, 2],
    [2, 202, 1],
    ['1', 400, 0],
    ['0', 400, 0],
    ['-5', 400, 0],
    ['many', 202, 255],
  ])('an event that comes with a count of %p is answered %d and goes around %d times', async (ttl, status, times) => {
    const { broker, given } = start([trigger('a', 'echo')], {
      echo: () => (given('echo').length < times ? { status: 200, event: event('a') } : taken),
    });
    expect(await broker.ingest(event('a', { knativebrokerttl: ttl }))).toEqual({ status });
    expect(given('echo')).toHaveLength(times);
  });

  test('a reply that nobody can be given parks the event that led to it', async () => {
    const sink = { deadLetterSink: 'parked', retry: 1 };
    const { broker, given, lost } = start([trigger('a', 'first', sink), trigger('b', 'second')], {
      first: replying('b'),
      second: () => failed,
    });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    // Once for each try of the reply: retries multiply along a chain.
    expect(given('second')).toHaveLength(2);
    expect(given('parked')).toMatchObject([{ id: '1.a', knativeerrorcode: '500', knativeerrordest: ingress }]);
    expect(lost).toEqual(['1.b b.second: no dead letter sink', '1.b b.second: no dead letter sink']);
  });

  test('a reply whose chain takes longer than the timeout parks the event, and the chain goes on', async () => {
    const { promise: slow, resolve: finish } = Promise.withResolvers<Answer>();
    const triggers = [trigger('a', 'first', { timeoutMs: 10, deadLetterSink: 'parked' }), trigger('b', 'second')];
    const { broker, given } = start([...triggers, trigger('c', 'third')], { first: replying('b'), second: () => slow });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('parked')).toMatchObject([{ id: '1.a' }]);
    finish({ status: 200, event: event('c') });
    await broker.idle();
    expect(given('third')).toHaveLength(1);
  });
});

describe('retries', () => {
  const delivery = { retry: 3, deadLetterSink: 'parked' };

  test.each([
    [3, 4, 0],
    [4, 4, 1],
  ])(
    'with 3 retries an event that fails %d times is tried %d times and parked %d times',
    async (failures, tries, parked) => {
      const answers = [...Array.from({ length: failures }, () => failed), taken];
      const { broker, given } = start([trigger('a', 'flaky', delivery)], { flaky: inTurn(...answers) });
      expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
      expect(given('flaky')).toHaveLength(tries);
      expect(given('parked')).toHaveLength(parked);
    },
  );

  test.each([
    [{ status: -1 }, 2, 1],
    [{ status: 100 }, 1, 1],
    [{ status: 102 }, 1, 1],
    [{ status: 200 }, 1, 0],
    [{ status: 201 }, 1, 0],
    [{ status: 202, body: '' }, 1, 0],
    [{ status: 200, body: 'no event' }, 2, 1],
    [{ status: 200, event: event('') }, 2, 1],
    [{ status: 300 }, 1, 1],
    [{ status: 301 }, 1, 1],
    [{ status: 400 }, 1, 1],
    [{ status: 401 }, 1, 1],
    [{ status: 403 }, 1, 1],
    [{ status: 404 }, 2, 1],
    [{ status: 408 }, 2, 1],
    [{ status: 409 }, 2, 1],
    [{ status: 429 }, 2, 1],
    [{ status: 500 }, 2, 1],
    [{ status: 501 }, 2, 1],
  ])('with 1 retry the answer %j leads to %d tries and is parked %d times', async (answer, tries, parked) => {
    const { broker, given } = start([trigger('a', 'first', { ...delivery, retry: 1 })], { first: () => answer });
    await broker.ingest(event('a'));
    expect(given('first')).toHaveLength(tries);
    expect(given('parked')).toHaveLength(parked);
  });

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

  test("a Trigger's retries and sink win over the Broker's; without its own it has those of the Broker", async () => {
    const sink = (name: string) => `deadLetterSink: { ref: { kind: Service, name: ${name} } }`;
    const manifest = (kind: string, name: string, spec: string) =>
      `{ apiVersion: eventing.knative.dev/v1, kind: ${kind}, metadata: { name: ${name} }, spec: { ${spec} } }`;
    const to = (name: string) => `broker: default, subscriber: { ref: { kind: Service, name: ${name} } }`;
    const folder = folderOf(
      manifest('Broker', 'default', `delivery: { retry: 2, ${sink('ofBroker')} }`),
      manifest('Trigger', 'one', `${to('one')}, delivery: { retry: 1, ${sink('ofTrigger')} }`),
      manifest('Trigger', 'two', to('two')),
    );
    const { broker, given } = start(readManifests(folder), { one: () => failed, two: () => failed });
    await broker.ingest(event('a'));
    const counts = ['one', 'two', 'ofTrigger', 'ofBroker'].map((name) => given(name).length);
    expect(counts).toEqual([2, 3, 1, 1]);
  });
});

describe('dead letters', () => {
  const delivery = { retry: 0, deadLetterSink: 'parked' };
  const dest = 'http://first.shop.svc.cluster.local';
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  test.each<[string, Answer, object]>([
    [
      'an error with a body',
      { status: 400, body: 'no' },
      { knativeerrorcode: '400', knativeerrordest: dest, knativeerrordata: base64('no') },
    ],
    ['an error without a body', { status: 503 }, { knativeerrorcode: '503', knativeerrordest: dest }],
    [
      'no connection',
      { status: -1, body: 'refused' },
      { knativeerrorcode: '500', knativeerrordest: dest, knativeerrordata: base64('refused') },
    ],
    ['a timeout', { status: -1 }, {}],
    ['an answer that is no event', { status: 200, body: 'hello' }, {}],
  ])('%s is written on the event', async (_, answer, attributes) => {
    const { broker, given } = start([trigger('a', 'first', delivery)], { first: () => answer });
    await broker.ingest(event('a', { data: 1 }));
    const expected = { ...event('a'), data: 1, knativearrivaltime: expect.any(String), ...attributes };
    expect(given('parked')).toEqual([expected]);
    expect(given('first')[0]).not.toHaveProperty('knativeerrorcode');
  });

  test('of a long answer the first 1,024 characters of base64 are kept', async () => {
    const body = 'x'.repeat(5000);
    const { broker, given } = start([trigger('a', 'first', delivery)], { first: () => ({ status: 400, body }) });
    await broker.ingest(event('a'));
    expect(given('parked')[0]?.['knativeerrordata']).toBe(base64(body).slice(0, 1024));
  });

  test('a dead letter sink that fails at first is tried as often as the subscriber', async () => {
    const triggers = [trigger('a', 'first', { ...delivery, retry: 2 })];
    const { broker, given, lost } = start(triggers, { first: () => failed, parked: inTurn(failed, failed, taken) });
    expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
    expect(given('parked')).toHaveLength(3);
    expect(lost).toEqual([]);
  });

  test('an event that cannot be parked either is lost, and the producer is told', async () => {
    const { broker, lost } = start([trigger('a', 'first', delivery)], { first: () => failed, parked: () => failed });
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: dead letter sink parked answered 500']);
  });

  test('what a dead letter sink answers enters the broker', async () => {
    const triggers = [trigger('a', 'first', delivery), trigger('b', 'second')];
    const { broker, given } = start(triggers, { first: () => failed, parked: replying('b') });
    await broker.ingest(event('a'));
    expect(given('second')).toHaveLength(1);
  });
});

describe('the end', () => {
  test('idle waits for what is under way, replies included', async () => {
    const { promise: slow, resolve: finish } = Promise.withResolvers<Answer>();
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
    const hours = { retry: 3, backoffDelayMs: 10_000_000, deadLetterSink: 'parked' };
    const { broker, given, lost } = start([trigger('a', 'first', hours)], { first: () => failed });
    const answer = broker.ingest(event('a'));
    await turn();
    await broker.close();
    expect(await answer).toEqual({ status: 500 });
    expect(lost).toEqual(['1.a a.first: the broker was closed']);
    expect(await broker.ingest(event('a'))).toEqual({ status: 500 });
    expect(given('first')).toHaveLength(1);
  });
});
