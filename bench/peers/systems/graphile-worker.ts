import { Logger, run } from 'graphile-worker';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, inTransaction, openPool, settle } from '../orders.ts';
import { concurrency, type StartPeer } from '../peer.ts';

/**
 * The order and its job are committed together, by `add_job` in SQL. The settings are those of the library's page on
 * performance: jobs are fetched in batches into a local queue and completed in batches. Guarantee: each accepted order
 * is processed at least once; the jobs of a dead worker stay locked for four hours.
 */
export const start: StartPeer = async ({ databaseUrl }) => {
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

  const gateway = await openGateway((order) =>
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
    url: gateway.url,
    stop: async () => {
      await gateway.close();
      await runner.stop();
      await pool.end();
    },
  };
};
