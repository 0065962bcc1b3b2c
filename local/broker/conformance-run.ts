import { once } from 'node:events';
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Case, DeliverySpec, Expected, Post, Reply, Scenario } from '#local/broker/conformance.ts';

// Runs the cases of conformance.ts against any broker: stub subscribers, and a comparison with the expected results.

interface Delivered {
  headers: IncomingHttpHeaders;
  body: string;
  atMs: number;
}

/** Subscribers that respond as a case defines; the id of the event identifies the case. */
export interface Subscribers {
  readonly port: number;
  /** Sets the responses to the event `id`, by subscriber. */
  script(id: string, replies: Record<string, Reply | Reply[]>): void;
  /** The deliveries of the event `id`, by subscriber. */
  delivered(id: string): Record<string, Delivered[]>;
  close(): void;
}

/** The environment of a scenario. */
export interface Place {
  ingressUrl: string;
  namespace: string;
  broker: string;
  /** The address of a subscriber, as a dead letter names it. */
  addressOf: (subscriber: string) => string;
  subscribers: Subscribers;
}

// how long to wait for unexpected deliveries after delayed responses
const SETTLE_MS = 400;
const ARRIVAL_MS = 10_000;
const POLL_MS = 10;
// timers may fire up to this early
const EARLY_MS = 20;

/** Serves the subscribers, each at the path of its name. */
export async function serveSubscribers(host: string, port = 0): Promise<Subscribers> {
  const scripts = new Map<string, Record<string, Reply | Reply[]>>();
  const log = new Map<string, Record<string, Delivered[]>>();
  const delivered = (id: string) => log.get(id) ?? log.set(id, {}).get(id) ?? {};

  async function respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const atMs = performance.now();
    const name = incoming.url?.slice(1) ?? '';
    const { headers } = incoming;
    const body = await text(incoming);
    const id = String(headers['ce-id'] ?? (JSON.parse(body) as { id: unknown }).id);
    const received = (delivered(id)[name] ??= []);
    received.push({ headers, body, atMs });
    const scripted = [scripts.get(id)?.[name] ?? {}].flat();
    const reply = scripted[Math.min(received.length, scripted.length) - 1] ?? {};
    if (reply.afterMs) await delay(reply.afterMs);
    if (reply.reset) return void outgoing.destroy();
    outgoing.writeHead(reply.status ?? 204, reply.headers).end(reply.body);
  }

  const server = createServer((incoming, outgoing) => {
    respond(incoming, outgoing).catch((cause: Error) => outgoing.destroy(cause));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    script: (id, replies) => void scripts.set(id, replies),
    delivered,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The Broker and the Triggers of a scenario; `destination` returns the destination of a subscriber or sink. */
export function manifestsOf(
  { broker: delivery, triggers }: Scenario,
  { namespace, broker }: { namespace: string; broker: string },
  destination: (subscriber: string) => object,
): object[] {
  const apiVersion = 'eventing.knative.dev/v1';
  const specOf = ({ deadLetterSink: sink, ...rest }: DeliverySpec) => ({
    ...rest,
    ...(sink !== undefined && { deadLetterSink: destination(sink) }),
  });
  const deliveryOf = (spec: DeliverySpec | undefined) => spec && { delivery: specOf(spec) };
  return [
    { apiVersion, kind: 'Broker', metadata: { name: broker, namespace }, spec: { ...deliveryOf(delivery) } },
    ...Object.entries(triggers).map(([subscriber, trigger]) => ({
      apiVersion,
      kind: 'Trigger',
      metadata: { name: `${broker}-${subscriber.toLowerCase()}`, namespace },
      spec: { ...trigger, broker, subscriber: destination(subscriber), ...deliveryOf(trigger.delivery) },
    })),
  ];
}

/** Runs one case and returns the differences from `expected`. `id` must be new to the subscribers. */
export async function differencesOf(one: Case, expected: Expected, id: string, place: Place): Promise<string[]> {
  const { subscribers, namespace, broker } = place;
  const path = `/${namespace}/${broker}`;
  const expand = <Value>(value: Value): Value =>
    JSON.parse(
      JSON.stringify(value).replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
        if (name === 'id') return id;
        if (name === 'broker') return path;
        if (name === 'ingress') return `http://broker-ingress.knative-eventing.svc.cluster.local${path}`;
        return place.addressOf(name);
      }),
    ) as Value;
  subscribers.script(id, expand(one.replies ?? {}));
  const startedMs = performance.now();
  const hasArrived = () => Object.keys(subscribers.delivered(id)).length > 0;
  const status = await post(place.ingressUrl, { path, ...expand(one.post) }, hasArrived);
  const tookMs = performance.now() - startedMs;
  const delayMs = Math.max(
    0,
    ...Object.values(one.replies ?? {}).flatMap((scripted) => [scripted].flat().map(delayOf)),
  );
  if (delayMs > 0) await delay(Math.max(0, delayMs + SETTLE_MS - tookMs));

  const differences: string[] = [];
  const compare = (what: string, actual: unknown, wanted: unknown) => {
    const isSame = wanted instanceof RegExp ? wanted.test(String(actual)) : actual === wanted;
    if (!isSame) differences.push(`${what}: ${String(actual)} instead of ${String(wanted)}`);
  };
  compare('status', status, expected.status);
  if (expected.withinMs !== undefined && tookMs > expected.withinMs) {
    differences.push(`took ${Math.round(tookMs)} ms, more than ${expected.withinMs}`);
  }
  const delivered = subscribers.delivered(id);
  const { deliveries = {} } = expected;
  for (const name of new Set([...Object.keys(delivered), ...Object.keys(deliveries)])) {
    const actual = delivered[name] ?? [];
    const wanted = deliveries[name] ?? 0;
    compare(`deliveries to ${name}`, actual.length, typeof wanted === 'number' ? wanted : wanted.length);
    if (typeof wanted === 'number') continue;
    for (const [index, { headers = {}, body }] of wanted.entries()) {
      const found = actual[index];
      if (!found) continue;
      for (const [header, value] of Object.entries(headers)) {
        const actualValue = found.headers[header] ?? null;
        compare(`${name} received ${header}`, actualValue, typeof value === 'string' ? expand(value) : value);
      }
      if (body !== undefined) compare(`${name} received the body`, found.body, body);
    }
  }
  const times = (delivered['first'] ?? []).map(({ atMs }) => atMs);
  for (const [index, waitMs] of (expected.waitsMs ?? []).entries()) {
    const waitedMs = (times[index + 1] ?? Infinity) - (times[index] ?? 0);
    if (waitedMs < waitMs - EARLY_MS) differences.push(`wait ${index + 1}: ${waitedMs} ms instead of ${waitMs}`);
  }
  return differences;
}

const delayOf = ({ afterMs = 0 }: Reply): number => afterMs;

/** The status of the response; undefined if the producer disconnected before it. */
async function post(ingressUrl: string, given: Post, hasArrived: () => boolean): Promise<number | undefined> {
  const { method = 'POST', path, headers, body, disconnects } = given;
  const { hostname, port } = new URL(ingressUrl);
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const posting = request({ hostname, port, method, path, headers: { ...headers, ...length }, agent: false });
  posting.end(body);
  if (disconnects) {
    posting.on('error', () => undefined);
    for (let waitedMs = 0; !hasArrived() && waitedMs < ARRIVAL_MS; waitedMs += POLL_MS) await delay(POLL_MS);
    posting.destroy();
    return undefined;
  }
  const [response] = (await once(posting, 'response')) as [IncomingMessage];
  await buffer(response);
  return response.statusCode;
}
