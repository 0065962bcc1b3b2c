import { Logger, run } from 'graphile-worker';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, inTransaction, openPool, settle } from '../orders.ts';
import { concurrency, type Start } from '../peer.ts';

/**
 * The order and its job are committed together, by `add_job` in SQL. The settings are those of the library's page on
 * performance: jobs are fetched in batches into a local queue and completed in batches.
 */
export const start: Start = async ({ databaseUrl }) => {
  const pool = openPool(databaseUrl);
  const runner = await run({
    preset: {
      worker: {
        connectionString: databaseUrl,
        concurrentJobs: concurrency,
        maxPoolSize: 10,
        localQueue: { size: concurrency + 1 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: new Logger(() => () => undefined),
      },
    },
    noHandleSignals: true,
    taskList: {
      order: async (payload) => {
        const { id } = payload as { id: string };
        await settle(pool, id, await charge(pool, id));
      },
    },
  });

  const door = await openGateway((order) =>
    inTransaction(pool, async (client) => {
      await createOrder(client, order);
      await client.query({
        name: 'add-job',
        text: `select graphile_worker.add_job('order', json_build_object('id', $1::text))`,
        values: [order.id],
      });
    }),
  );

  return {
    url: door.url,
    guarantees:
      'Every accepted order is worked on at least once, as its job is committed with it; what a dead worker held stays locked for four hours.',
    stop: async () => {
      await door.close();
      await runner.stop();
      await pool.end();
    },
  };
};
