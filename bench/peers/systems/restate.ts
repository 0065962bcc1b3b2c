import { createRequire } from 'node:module';
import path from 'node:path';
import * as restate from '@restatedev/restate-sdk';
import * as clients from '@restatedev/restate-sdk-clients';
import { openGateway } from '../gateway.ts';
import { charge, createOrder, openPool, settle, type Order } from '../orders.ts';
import type { StartPeer } from '../peer.ts';
import { portsOf, startServer } from '../server.ts';
import { Unavailable } from '../system.ts';

/**
 * One durable invocation per order, sent with the order's id; the server journals each step, with fsync as is its
 * default. The response is sent when the server has stored the invocation. Guarantee: a crash loses no accepted order;
 * a step may run twice, so each has to be idempotent.
 */
export const start: StartPeer = async ({ databaseUrl, dataDir }) => {
  const pool = openPool(databaseUrl);
  const orders = restate.service({
    name: 'orders',
    handlers: {
      place: async (context: restate.Context, order: Order) => {
        await context.run('create', () => createOrder(pool, order));
        const decision = await context.run('charge', () => charge(pool, order.id));
        await context.run('settle', () => settle(pool, order.id, decision));
      },
    },
  });

  const [servicePort = 0, ingressPort = 0, adminPort = 0, nodePort = 0] = await portsOf(dataDir, 4);
  // HTTP/2, as the library prefers: one connection carries all invocations
  await restate.serve({ services: [orders], port: servicePort });
  const admin = `http://127.0.0.1:${adminPort}`;
  const server = await startServer(programOf(), ['--no-logo'], {
    env: {
      RESTATE_BASE_DIR: path.join(dataDir, 'restate'),
      RESTATE_NODE_NAME: 'peer',
      RESTATE_BIND_IP: '127.0.0.1',
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BIND_PORT: String(nodePort),
      RESTATE_INGRESS__BIND_PORT: String(ingressPort),
      RESTATE_ADMIN__BIND_PORT: String(adminPort),
      RESTATE_LOG_FILTER: 'warn',
      RESTATE_DISABLE_TELEMETRY: 'true',
    },
    isReady: async () => (await fetch(`${admin}/health`)).ok,
  });
  await register(admin, `http://127.0.0.1:${servicePort}`);

  const ingress = clients.connect({ url: `http://127.0.0.1:${ingressPort}` });
  const client = ingress.serviceSendClient(orders);
  const gateway = await openGateway((order) => client.place(order, clients.rpc.sendOpts({ idempotencyKey: order.id })));

  return {
    url: gateway.url,
    stop: async () => {
      await gateway.close();
      await server.stop();
      await pool.end();
    },
  };
};

/** The server's binary: the package's command would wrap it in a Node process. */
function programOf(): string {
  const here = createRequire(import.meta.url);
  const wrapper = createRequire(here.resolve('@restatedev/restate-server/package.json'));
  const platform = `${process.platform}-${process.arch}`;
  try {
    return wrapper.resolve(`@restatedev/restate-server-${platform}/bin/restate-server`);
  } catch {
    throw new Unavailable(`Restate has no server for ${platform}.`);
  }
}

/** Registers the service with the server; after a restart this changes nothing. */
async function register(admin: string, uri: string): Promise<void> {
  const response = await fetch(`${admin}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri, force: true }),
  });
  if (!response.ok) throw new Error(`Restate refused the service: ${response.status} ${await response.text()}`);
}
