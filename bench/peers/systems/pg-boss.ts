import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, inTransaction, openPool, settle } from '../orders.ts';
import { concurrency, type Start } from '../peer.ts';

const queue = 'order';

/**
 * The order and its job are committed together. Workers are woken by NOTIFY, take many jobs at a time while there are
 * many, and complete them in one statement; heartbeats, as short as they may be, return the jobs of a dead worker.
 */
export const start: Start = async ({ databaseUrl }) => {
  const pool = openPool(databaseUrl);
  const boss = new PgBoss({
    connectionString: databaseUrl,
    max: 10,
    useListenNotify: true,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.createQueue(queue, { notify: true, heartbeatSeconds: 10, retryLimit: 20, retryDelay: 1 });

  await boss.work<{ id: string }>(
    queue,
    { batchSize: concurrency, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
    async (jobs) => {
      await Promise.all(jobs.map(({ data }) => decide(pool, data.id)));
    },
  );

  const door = await openGateway((order) =>
    inTransaction(pool, async (client) => {
      await createOrder(client, order);
      const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
      await boss.send(queue, { id: order.id }, { db });
    }),
  );

  return {
    url: door.url,
    guarantees:
      'Every accepted order is worked on at least once, as its job is committed with it; what a dead worker held waits for its heartbeat to expire.',
    stop: async () => {
      await door.close();
      await boss.stop({ timeout: 5_000 });
      await pool.end();
    },
  };
};

async function decide(pool: pg.Pool, orderId: string): Promise<void> {
  await settle(pool, orderId, await charge(pool, orderId));
}
