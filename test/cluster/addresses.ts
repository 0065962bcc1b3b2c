import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { domain, kubectl, namespace } from './client.ts';

const limit = 500; // RATE_LIMIT_REQUESTS

/**
 * The rate limit as the shop reported it to a caller: the key of its address, and the lowest number of requests left.
 */
interface Budget {
  partition: string;
  lowest: number;
}

// Runs on the caller's side: sends requests without a token for some seconds, at least one, each with different forged
// headers.
const program = (url: string, localAddress: string, forged: string, seconds: number) => `
  const http = require('node:http');
  const budget = { partition: '', lowest: Infinity };
  const endAt = Date.now() + ${seconds * 1_000};
  let count = 0;
  const ask = () => http.get('${url}', { agent: false, ${localAddress && `localAddress: '${localAddress}',`} headers: {
    host: '${domain}', 'x-forwarded-for': '192.0.2.' + (count++ % 250) + ', ${forged || '192.0.2.3'}', 'x-real-ip': '192.0.2.2',
    forwarded: 'for=192.0.2.1', ${forged && `'k-proxy-request': 'activator', 'x-envoy-external-address': '${forged}'`} } }, (response) => {
      budget.partition = /pk=:([^:]+):/.exec(response.headers['ratelimit-policy'])?.[1] ?? '';
      budget.lowest = Math.min(budget.lowest, Number(/r=(\\d+)/.exec(response.headers.ratelimit)?.[1] ?? NaN));
      response.resume().on('end', () => {
        if (Date.now() < endAt) ask();
        else console.log(JSON.stringify(budget)), process.exit();
      });
    }).on('error', () => process.exit(1));
  ask();`;

interface Caller {
  address: string;
  ask: (seconds: number, forged?: string) => Promise<Budget>;
}

/** The callers that reach the gateway: this machine by each of its addresses, and pods of the shop. */
async function callers(url: string): Promise<Caller[]> {
  const local = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const selector = 'serving.knative.dev/service in (create-order, charge-account)';
  const list = await kubectl('-n', namespace, 'get', 'pod', '-l', selector, '-o', 'json');
  const pods = (JSON.parse(list) as { items: { metadata: { name: string }; status: { podIP: string } }[] }).items;
  return [
    ...local
      .filter(({ family }) => family === 'IPv4')
      .map(({ address }) => ({
        address,
        ask: async (seconds: number, forged = '') => {
          const script = program(url, address, forged, seconds);
          const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { timeout: 20_000 });
          return JSON.parse(stdout) as Budget;
        },
      })),
    ...pods.map(({ metadata, status }) => ({
      address: status.podIP,
      ask: async (seconds: number, forged = '') => {
        const inside = ['-n', namespace, 'exec', metadata.name, '-c', 'user-container', '--', 'node', '-e'];
        return JSON.parse(await kubectl(...inside, program(url, '', forged, seconds))) as Budget;
      },
    })),
  ];
}

/**
 * Checks that callers are limited by their addresses, whatever headers they forge: one sends requests constantly with
 * the forged address of another, which must still have its whole budget. Returns the measurements.
 */
export async function limitByAddress(): Promise<string> {
  const found = new Map<string, Caller>();
  for (const caller of await callers(`http://${await gatewayPod()}/v1/products`)) {
    const budget = await caller.ask(0).catch(() => undefined);
    if (budget && !found.has(budget.partition)) found.set(budget.partition, caller);
  }
  const [busy, other] = found.values();
  if (!busy || !other) throw new Error('the shop sees every caller under one address');
  const asking = busy.ask(6, other.address);
  await pause(3_000);
  const [{ lowest: ofOther }, { lowest }] = [await other.ask(0), await asking];
  if (ofOther !== limit - 1) throw new Error(`${other.address} has ${ofOther} requests left after its first one`);
  if (!(lowest < limit - 20)) throw new Error(`${busy.address} never had fewer than ${lowest} requests left`);
  return `${busy.address} was down to ${lowest} of ${limit} requests, ${other.address} had ${ofOther} left after its first one`;
}

/** The address of a pod of the gateway: its service may replace the caller's address. */
async function gatewayPod(): Promise<string> {
  const [where = '', service = ''] = (process.env['INGRESS'] || 'kourier-system/kourier').split('/');
  const label = `kubernetes.io/service-name=${service}`;
  const { items } = JSON.parse(await kubectl('-n', where, 'get', 'endpointslice', '-l', label, '-o', 'json')) as {
    items: { ports: { name: string; port: number }[]; endpoints: { addresses: string[] }[] }[];
  };
  const [address] = items.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses));
  const port = items.flatMap(({ ports }) => ports).find(({ name }) => ['http', 'http2'].includes(name))?.port;
  if (!address || !port) throw new Error(`the gateway ${where}/${service} has no pod`);
  return `${address}:${port}`;
}
