import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, inTransaction, openPool, settle } from '../orders.ts';
import { concurrency, type StartPeer } from '../peer.ts';

const queue = 'order';

/**
 * The order and its job are committed together. Workers are woken by NOTIFY, fetch jobs in batches and complete each
 * batch in one statement; heartbeats, with the shortest interval allowed, return the jobs of a dead worker. Guarantee:
 * each accepted order is processed at least once.
 */
export const start: StartPeer = async ({ databaseUrl }) => {
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

  const gateway = await openGateway((order) =>
    inTransaction(pool, async (client) => {
      await createOrder(client, order);
      const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
      await boss.send(queue, { id: order.id }, { db });
    }),
  );

  return {
    url: gateway.url,
    stop: async () => {
      await gateway.close();
      await boss.stop({ timeout: 5_000 });
      await pool.end();
    },
  };
};

async function decide(pool: pg.Pool, orderId: string): Promise<void> {
  await settle(pool, orderId, await charge(pool, orderId));
}
