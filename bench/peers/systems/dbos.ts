import { DBOS } from '@dbos-inc/dbos-sdk';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, openPool, settle, type Order } from '../orders.ts';
import { concurrency, type Start } from '../peer.ts';

/**
 * A workflow an order, started under the order's id and run at once in this process; each step is checkpointed. The
 * request is answered when DBOS has stored the workflow with its input. A system database pool as large as the load.
 */
export const start: Start = async ({ databaseUrl }) => {
  const pool = openPool(databaseUrl);

  const workOn = DBOS.registerWorkflow(
    async (order: Order) => {
      await DBOS.runStep(() => createOrder(pool, order), { name: 'create' });
      const decision = await DBOS.runStep(() => charge(pool, order.id), { name: 'charge', retriesAllowed: true });
      await DBOS.runStep(() => settle(pool, order.id, decision), { name: 'settle', retriesAllowed: true });
    },
    { name: 'order' },
  );

  DBOS.setConfig({
    name: 'orders',
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: concurrency,
    logLevel: 'error',
  });
  await DBOS.launch();
  const door = await openGateway((order) => DBOS.startWorkflow(workOn, { workflowID: order.id })(order));

  return {
    url: door.url,
    guarantees:
      'Every accepted order is finished after a crash, by checkpoints in Postgres; a step may run twice, so each has to be idempotent.',
    stop: async () => {
      await door.close();
      await DBOS.shutdown();
      await pool.end();
    },
  };
};
