import { uuidv7 } from 'uuidv7';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { decideCharges } from '#functions/charge-account/queries.ts';
import { insertOrders, type Draft } from '#functions/create-order/queries.ts';
import { recordNotifications, type NewNotification } from '#functions/send-notification/queries.ts';
import { settleOrders } from '#functions/settle-order/queries.ts';
import { batch } from '#platform/database/batch.ts';
import { createClock } from '#platform/database/clock.ts';
import { createDatabase, type Database } from '#platform/database/database.ts';
import { beginChain } from '#platform/events/event.ts';
import { atRate } from './pace.ts';
import { latency, type Latency } from './statistics.ts';
import { serveRequests } from './worker.ts';

/** A run of the functions' own SQL statements, without HTTP, tokens, events or mails. */
export interface BaselineRun {
  /** `single`: one order per statement and commit. `batched`: all waiting orders per statement, as in the functions. */
  mode: 'single' | 'batched';
  /** Closed loop with `inFlight` orders at a time, or open loop at a fixed rate. */
  pace: { inFlight: number } | { perSecond: number };
  seconds: number;
  customers: string[];
}

export interface BaselineResult extends Latency {
  orders: number;
  ordersPerSecond: number;
  statementsPerOrder: number;
  /** CPU time of this process. */
  cpuMsPerOrder: number;
}

type Run<Item> = (database: Database, items: Item[]) => Promise<object[]>;

const database = createDatabase({ name: 'baseline', clock: createClock() });
let statements = 0;

serveRequests<BaselineRun, BaselineResult>(async ({ mode, pace, seconds, customers }) => {
  const run = steps(mode);
  const took: number[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  statements = 0;
  const order = async (at: number) => {
    await place(run, customers[Math.floor(Math.random() * customers.length)] ?? '');
    took.push(performance.now() - at);
  };
  const connection = async () => {
    while (performance.now() - began < seconds * 1_000) await order(performance.now());
  };
  await ('perSecond' in pace
    ? atRate(pace.perSecond, seconds, order)
    : Promise.all(Array.from({ length: pace.inFlight }, connection)));
  const { user, system } = process.cpuUsage(cpu);
  return {
    orders: took.length,
    ordersPerSecond: took.length / ((performance.now() - began) / 1_000),
    statementsPerOrder: statements / took.length,
    cpuMsPerOrder: (user + system) / 1_000 / took.length,
    ...latency(took),
  };
});

/** One statement for each of the four functions; batches use the same keys as the functions. */
function steps(mode: BaselineRun['mode']) {
  const step = <Item>(key: (item: Item) => string, run: Run<Item>) => {
    const counted = async (items: Item[]) => {
      statements += 1;
      const rows = await run(database, items);
      if (rows.length !== items.length) throw new Error(`${items.length} orders returned ${rows.length} rows`);
      return rows;
    };
    return mode === 'single' ? (item: Item) => counted([item]) : batch<Item, object>({ key, run: counted });
  };
  return {
    create: step<Draft>(({ id }) => id, insertOrders),
    charge: step(({ userId }: { orderId: string; userId: string }) => userId, decideCharges),
    settle: step<{ orderId: string }>(
      ({ orderId }) => orderId,
      (its, orders) =>
        settleOrders(
          its,
          orders.map(({ orderId }) => ({ orderId, status: 'paid', reason: null })),
        ),
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
