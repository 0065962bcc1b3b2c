import type { IncomingMessage } from 'node:http';
import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { orderPlaced } from '#events/order-placed.ts';
import { readTopology } from '#events/topology/topology.ts';
import { functionNames } from '#local/functions.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import { beginChain, type ShopEvent } from '#platform/events/event.ts';
import { hideEvent, writeEvent } from '#platform/events/event-http.ts';
import type { Delivery, EventFunction, EventHandle } from '#platform/events/on-event.ts';
import { context, signed } from '#test/support/context.ts';
import { checkOften, mixedCase } from '#test/support/fuzz.ts';
import { record, sized } from '#test/support/sizes.ts';

// Arbitrary input posted to a function that consumes events: events signed by the shop are handled, everything else is
// refused with 400 and writes no row. Never 5xx, never an exception.

const properties = 7;
const runs = sized(150, 170_000);
const amount = { runs, share: 1 / properties };
jest.setTimeout(60_000 + runs * 100);

useDatabase();

const { contracts } = await readTopology();
const functions = (
  await Promise.all(
    functionNames.map(async (name) => {
      const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle?: EventHandle };
      const served = handle?.(context.of(name));
      return served && 'consumes' in served ? [{ name, served, [fc.toStringMethod]: () => name }] : [];
    }),
  )
).flat();
const parkEvent = functions.find(({ name }) => name === 'park-event')?.served as EventFunction;
const consumers = functions.filter(({ served }) => served.consumes.length > 0);
const consumed = consumers.flatMap(({ name, served }) =>
  contracts
    .filter(({ type }) => served.consumes.includes(type))
    .map((contract) => ({ served, contract, [fc.toStringMethod]: () => `${contract.type} to ${name}` })),
);

type Headers = [name: string, value: string][];

/** Posts arbitrary input as the function runtime passes it on; returns the status. */
async function post(served: EventFunction, headers: Headers, body: string | Buffer): Promise<number> {
  const joined = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const request = { method: 'POST', url: '/', headers: joined, rawHeaders: headers.flat() };
  if (hideEvent(request as unknown as IncomingMessage)) return 400;
  return (await served({ method: 'POST', headers: joined, body: Buffer.from(body) })).statusCode;
}

/** Posts an event as its producer does, in one of the two modes. */
function send(served: EventFunction, event: ShopEvent, structured: boolean): Promise<number> {
  if (structured) {
    return post(served, [['content-type', 'application/cloudevents+json; charset=utf-8']], JSON.stringify(event));
  }
  return post(served, Object.entries(writeEvent(event).headers), JSON.stringify(event.data));
}

const written = () =>
  row(
    `select (select count(*) from billing.accounts) as accounts, (select count(*) from billing.charges) as charges,
            (select count(*) from billing.transfers) as transfers, (select count(*) from events.outbox) as chains,
            (select count(*) from notifying.notifications) as notifications,
            (select count(*) from ordering.orders where status <> 'pending') as decided,
            (select count(*) from events.dead_letters) as parked`,
  );

/** Checks a property for many inputs, none of which may write a row. A failure says how to repeat it. */
async function nothingIsWritten<Input>(given: fc.Arbitrary<Input>, check: (input: Input) => Promise<void>) {
  const before = await written();
  const count = await checkOften(given, check, amount);
  expect(await written()).toEqual(before);
  record({ fault: 'fuzzed event', count, orders: 0 });
}

const oneOf = <Item>(items: readonly Item[]) => fc.constantFrom(...items);
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webUrl(), fc.uuid(), fc.constant(''));
const attribute = fc.oneof(
  oneOf(['ce-id', 'ce-source', 'ce-type', 'ce-specversion', 'ce-time', 'ce-subject', 'ce-signature', 'ce-dataschema']),
  oneOf(['ce-datacontenttype', 'ce-correlationid', 'ce-partitionkey', 'ce-data_base64', 'content-type', 'ce-', 'x']),
  fc.stringMatching(/^ce-[a-z0-9]{1,24}$/),
);
const value = fc.oneof(
  oneOf([
    '1.0',
    '0.3',
    '2.0',
    'application/json',
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
  ]),
  oneOf([...contracts.map(({ type }) => type), 'test.AAAA', 'noon', '2026-11-22T10:00:00Z', 'text/plain']),
  text,
);
const body = fc.oneof(
  fc.json(),
  fc.string(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  oneOf(['{', '[]', '']),
);

describe('arbitrary input', () => {
  test('is refused unless the shop has signed it', () =>
    nothingIsWritten(
      fc.tuple(oneOf(consumers), fc.array(fc.tuple(attribute, value), { maxLength: 9 }), body),
      async ([{ served }, headers, content]) => expect(await post(served, headers, content)).toBe(400),
    ));

  test('is refused in structured mode unless the shop has signed it', () =>
    nothingIsWritten(fc.tuple(oneOf(consumers), fc.object(), fc.json()), async ([{ served }, fields, content]) => {
      const type: Headers = [['content-type', 'application/cloudevents+json']];
      expect(await post(served, type, content)).toBe(400);
      const nearly = { specversion: '1.0', id: '1', source: '/x', type: contracts[0]?.type, ...fields };
      expect(await post(served, type, JSON.stringify(nearly))).toBe(400);
    }));

  test('is accepted by the dead letter sink', async () => {
    const inputs = fc.tuple(fc.array(fc.tuple(attribute, value), { maxLength: 9 }), body);
    const isAccepted = async ([headers, content]: [Headers, string | Buffer]) => {
      // a broker never delivers a header twice
      const once = [...new Map(headers.map((header) => [header[0], header])).values()];
      expect(await post(parkEvent, once, content)).toBe(204);
    };
    const count = await checkOften(inputs, isAccepted, amount);
    record({ fault: 'fuzzed event', count, orders: 0 });
  });
});

describe('an event signed by the shop', () => {
  test('is refused if its data does not match its schema', () =>
    nothingIsWritten(
      fc.tuple(oneOf(consumed), fc.oneof(fc.object(), fc.jsonValue()), fc.boolean()),
      async ([{ served, contract }, data, structured]) => {
        fc.pre(!contract.data.safeParse(data).success && data !== undefined);
        const event = signed({
          ...beginChain(contract.create(contract.sample)),
          data: JSON.parse(JSON.stringify(data)),
        });
        expect(await send(served, event, structured)).toBe(400);
      },
    ));

  test('is refused if one field of its data is invalid', () =>
    nothingIsWritten(
      fc.tuple(oneOf(consumed), fc.nat(), fc.oneof(text, fc.double(), fc.constant(null), fc.object()), fc.boolean()),
      async ([{ served, contract }, which, wrong, structured]) => {
        const fields = Object.keys(contract.sample);
        const data: unknown = { ...contract.sample, [fields[which % fields.length] ?? '']: wrong };
        fc.pre(!contract.data.safeParse(JSON.parse(JSON.stringify(data))).success);
        const event = signed({ ...beginChain(contract.create(contract.sample)), data });
        expect(await send(served, event, structured)).toBe(400);
      },
    ));

  // promise: upper-case-ids
  test('takes effect once, on the order that its ids name in any case', async () => {
    const handleOf = (name: string) => functions.find((one) => one.name === name)?.served as EventFunction;
    const chain = ['charge-account', 'settle-order', 'send-notification'].map(handleOf);
    const count = await checkOften(
      fc.nat(),
      async (pick) => {
        const { userId, accountId } = await customer({ balance: 1 });
        const orderId = await order(userId, 1);
        const anyCase = (text: string) => text.replaceAll(/[0-9a-f-]{36}/g, (id) => mixedCase(id, pick));
        let event: ShopEvent | undefined = beginChain(orderPlaced.create({ orderId, userId }));
        for (const served of chain) {
          const original: ShopEvent = signed(event as ShopEvent);
          // except the key of the outbox row, which is compared literally
          const { correlationid } = original;
          const mixed = signed({ ...(JSON.parse(anyCase(JSON.stringify(original))) as ShopEvent), correlationid });
          const first = await served.deliver(mixed);
          expect(await served.deliver(original)).toMatchObject(withoutCause(first));
          event = first.status === 200 ? first.event : undefined;
        }
        const recorded = await rows('select event_id from notifying.notifications where order_id = $1', [orderId]);
        expect(recorded).toEqual([{ event_id: `${orderId}.paid` }]);
        expect(await rows('select id from events.outbox where id = $1', [`${orderId}.placed`])).toEqual([]);
        expect(await standing(accountId)).toMatchObject({ balance: 0, movements: 2 });
      },
      amount,
    );
    record({ fault: 'fuzzed event', count, orders: 0 });
  });

  test('is refused if it was altered after it was signed', async () => {
    const { userId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const signedAttributes = ['id', 'source', 'type', 'subject', 'correlationid', 'partitionkey', 'time', 'signature'];
    const trusted = consumed.map((one) => ({ ...one, data: { ...one.contract.sample, userId, orderId } }));
    await nothingIsWritten(
      fc.tuple(oneOf(trusted), oneOf([...signedAttributes, 'data']), fc.string({ minLength: 1 }), fc.boolean()),
      async ([{ served, contract, data }, name, other, structured]) => {
        const event: ShopEvent = signed(beginChain(contract.create(data)));
        const altered = { ...event, [name]: name === 'data' ? { ...data, [other]: other } : validValue(name, other) };
        fc.pre(altered[name] !== event[name]);
        expect(await send(served, altered, structured)).toBe(400);
      },
    );
  });
});

/** A delivery without the id of the event that caused it, and so without its signature. */
function withoutCause(delivery: Delivery): object {
  if (delivery.status !== 200) return delivery;
  const { causationid: _cause, signature: _signature, time: _time, ...event } = delivery.event;
  return { ...delivery, event };
}

/** A value that the SDK accepts for an attribute: it writes nothing else into a header. */
function validValue(name: string, other: string): string {
  if (name === 'time') return '2001-01-01T00:00:00Z';
  return `x${Buffer.from(other).toString('hex')}`;
}
