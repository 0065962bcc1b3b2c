import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { roleOf } from '#database/roles.ts';
import { keepAlive, type Child } from '#local/child.ts';
import { functionNames } from '#local/functions.ts';
import { ping } from '#local/ping.ts';
import type { Running, Wiring } from '#local/wiring.ts';
import { urlSetting } from '#platform/http/function-client.ts';
import { writeEvent } from '#platform/events/event-http.ts';

/**
 * Runs the broker and each function in its own process, under the real function runtime over HTTP, as on a cluster. A
 * process that dies is replaced. This process listens on the public port and hands its connections over to the
 * storefront, so that none is refused while the storefront is replaced.
 */
export async function runProcesses({ port, brokerPort, replicas, databaseUrlOf, onRestart }: Wiring): Promise<Running> {
  const ports = await freePorts(functionNames.length);
  const urls = Object.fromEntries(functionNames.map((name, index) => [name, `http://127.0.0.1:${ports[index]}`]));
  const broker = keepAlive({
    name: 'broker',
    command: ['local/broker/main.ts'],
    env: { BROKER_PORT: String(brokerPort), SUBSCRIBERS: JSON.stringify(urls), ...noSecrets },
    onRestart,
  });
  // one storefront, which takes over connections of this process; the replicas of each other function share a port
  const named = functionNames.flatMap((name, index) =>
    Array.from({ length: name === 'storefront' ? 1 : replicas }, () => ({ name, port: ports[index] })),
  );
  const functions = named.map(({ name, port: its }) =>
    keepAlive({
      name,
      command: ['local/function-main.ts'],
      env: {
        K_SERVICE: name,
        PORT: String(its),
        HOST: '127.0.0.1',
        ...(replicas > 1 && name !== 'storefront' && { REUSE_PORT: 'true' }),
        DATABASE_URL: databaseUrlOf(roleOf(name)),
        DATABASE_POOL: String(Math.ceil(5 / replicas)),
        // only log-in signs tokens, and only the storefront signs cursors
        ...(name !== 'log-in' && { TOKEN_PRIVATE_KEY: '' }),
        ...(name !== 'storefront' && { CURSOR_KEY: '' }),
        ...Object.fromEntries(functionNames.map((each) => [urlSetting(each), urls[each] ?? ''])),
      },
      onRestart,
    }),
  );
  const children = await allReady([broker, ...functions]);
  const storefront = children.find(({ name }) => name === 'storefront');
  const gateway = createServer({ pauseOnConnect: true }, (socket) => storefront?.handOver(socket));
  gateway.listen(port, '127.0.0.1');
  await once(gateway, 'listening');

  const only = (name: string) => children.filter((child) => child.name === name);
  const others = children.filter(({ name }) => name !== 'storefront' && name !== 'broker');
  return {
    sweep: async () => {
      const { headers, body } = writeEvent(ping());
      await fetch(urls['sweep'] ?? '', { method: 'POST', headers, body: String(body) });
    },
    replaceFunctions: async () => {
      const functions = children.filter(({ name }) => name !== 'broker');
      // two at a time: a start occupies a core for half a second
      for (let next = 0; next < functions.length; next += 2) {
        await Promise.all(functions.slice(next, next + 2).map((child) => child.replace()));
      }
    },
    // callers stop before the processes that they call, so that each can finish what is in flight
    stop: async () => {
      gateway.close();
      for (const group of [only('storefront'), only('broker'), others]) {
        await Promise.all(group.map((child) => child.stop()));
      }
    },
  };
}

// the broker needs no key and no database
const noSecrets = { DATABASE_URL: '', EVENT_KEYS: '', TOKEN_PRIVATE_KEY: '', TOKEN_PUBLIC_KEYS: '', CURSOR_KEY: '' };

async function allReady(starting: Promise<Child>[]): Promise<Child[]> {
  const outcomes = await Promise.allSettled(starting);
  const children = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!failed) return children;
  await Promise.all(children.map((child) => child.stop()));
  throw failed.reason;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
