import { DBOS } from '@dbos-inc/dbos-sdk';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, openPool, settle, type Order } from '../orders.ts';
import { concurrency, type StartPeer } from '../peer.ts';

/**
 * One workflow per order, started with the order's id and run in this process; each step is checkpointed. The response
 * is sent when DBOS has stored the workflow with its input. The system database has a pool as large as the load.
 * Guarantee: a crash loses no accepted order; a step may run twice, so each has to be idempotent.
 */
export const start: StartPeer = async ({ databaseUrl }) => {
  const pool = openPool(databaseUrl);

  const processOrder = DBOS.registerWorkflow(
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
  const gateway = await openGateway((order) => DBOS.startWorkflow(processOrder, { workflowID: order.id })(order));

  return {
    url: gateway.url,
    stop: async () => {
      await gateway.close();
      await DBOS.shutdown();
      await pool.end();
    },
  };
};
