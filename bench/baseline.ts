import { uuidv7 } from 'uuidv7';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { decideCharges } from '#functions/charge-account/queries.ts';
import { insertOrders, type Draft } from '#functions/create-order/queries.ts';
import { recordNotifications, type NewNotification } from '#functions/send-notification/queries.ts';
import { settleOrders } from '#functions/settle-order/queries.ts';
import { batch } from '#platform/database/batch.ts';
import { beginChain } from '#platform/events/event.ts';
import { latency, type Latency } from './statistics.ts';
import { atRate } from './pace.ts';
import { benchmarkResponse } from './worker.ts';

/** The rooms' own statements for `inFlight` orders at a time, without HTTP, tokens, events or mails. */
export interface Drive {
  /** `single`: a statement, and so a commit, is for one order. `batched`: for all that wait, as in the rooms. */
  how: 'single' | 'batched';
  /** So many at a time, one after the other; or, at a fixed rate, each when its time has come. */
  pace: { inFlight: number } | { perSecond: number };
  seconds: number;
  customers: string[];
}

export interface Driven extends Latency {
  orders: number;
  ordersPerSecond: number;
  statementsPerOrder: number;
  /** What driving cost this process. */
  cpuMsPerOrder: number;
}

type Run<Item> = (items: Item[]) => Promise<object[]>;

let statements = 0;

benchmarkResponse<Drive, Driven>(async ({ how, pace, seconds, customers }) => {
  const run = steps(how);
  const took: number[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  statements = 0;
  const order = async (at: number) => {
    await place(run, customers[Math.floor(Math.random() * customers.length)] ?? '');
    took.push(performance.now() - at);
  };
  const lane = async () => {
    while (performance.now() - began < seconds * 1_000) await order(performance.now());
  };
  await ('perSecond' in pace
    ? atRate(pace.perSecond, seconds, order)
    : Promise.all(Array.from({ length: pace.inFlight }, lane)));
  const { user, system } = process.cpuUsage(cpu);
  return {
    orders: took.length,
    ordersPerSecond: took.length / ((performance.now() - began) / 1_000),
    statementsPerOrder: statements / took.length,
    cpuMsPerOrder: (user + system) / 1_000 / took.length,
    ...latency(took),
  };
});

/** One statement a room, each for one item or for all that wait: with the keys that the rooms batch by. */
function steps(how: Drive['how']) {
  const step = <Item>(key: (item: Item) => string, run: Run<Item>) => {
    const counted: Run<Item> = async (items) => {
      statements += 1;
      const rows = await run(items);
      if (rows.length !== items.length) throw new Error(`${rows.length} rows came back for ${items.length} orders`);
      return rows;
    };
    return how === 'single' ? (item: Item) => counted([item]) : batch<Item, object>({ key, run: counted });
  };
  return {
    create: step<Draft>(({ id }) => id, insertOrders),
    charge: step(({ userId }: { orderId: string; userId: string }) => userId, decideCharges),
    settle: step(
      ({ orderId }) => orderId,
      (orders: { orderId: string }[]) =>
        settleOrders(orders.map(({ orderId }) => ({ orderId, status: 'paid', reason: null }))),
    ),
    notify: step<NewNotification>(({ eventId }) => eventId, recordNotifications),
  };
}

async function place({ create, charge, settle, notify }: ReturnType<typeof steps>, userId: string): Promise<void> {
  const orderId = uuidv7();
  const event = beginChain(orderPlaced.create({ orderId, userId }));
  const items = [{ sku: 'pen', quantity: 1 }];
  await create({ id: orderId, userId, idempotencyKey: orderId, requestHash: Buffer.alloc(32), items, event });
  await charge({ orderId, userId });
  await settle({ orderId });
  const { id: eventId, data: detail } = orderPaid.create({ orderId, userId, total: 100, currency: 'usd' });
  const subject = `Your order ${orderId} is confirmed`;
  const mail = { id: uuidv7(), eventId, userId, orderId, template: 'order-paid', subject, detail } as const;
  await notify({ ...mail, correlationId: event.id });
}
