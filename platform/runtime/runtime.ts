import '#platform/runtime/calm-runtime.ts';
import net from 'node:net';
import type { OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import faas from '@knative/func-runtime';
import { Registry, type Metric } from 'prom-client';
import { backgroundDone, type Background } from '#platform/runtime/background.ts';
import { closeDatabase } from '#platform/database/database.ts';
import { hideEvent } from '#platform/events/event-http.ts';
import { closed } from '#platform/http/http-server.ts';
import { log, thisFunction } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';

/** What the folder of a function exports. */
export interface FunctionModule {
  handle: (context: Context) => Promise<Answer>;
  background?: Background;
}

interface Options {
  port: number;
  /** Where to listen; everywhere if it is not given. */
  host?: string | undefined;
  /** Shares the port with other processes; the kernel gives each its part of the connections. */
  reusePort?: boolean;
  /** Sends the last spans. */
  stopTracing?: () => Promise<void>;
}

/**
 * Serves one room under Knative's function runtime, without the runtime's traps: it would listen on every address,
 * answer 500 to an event that it cannot read, drop requests in flight at SIGTERM, exit with 0 after a crash,
 * report itself ill under load, and allow every origin.
 */
export async function serveUnderRuntime(
  { handle, background }: FunctionModule,
  { port, host, reusePort, stopTracing }: Options,
): Promise<Server> {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught');
    process.exit(1);
  });
  const stopBackground = background?.();
  let server: Server | undefined;
  const room = {
    handle: async (context: Context) => {
      const { statusCode, headers, body } = await handle(context);
      return { statusCode, headers, body: body ?? '' };
    },
    shutdown: async () => {
      await closed(server);
      await stopBackground?.();
      await backgroundDone(10_000);
      await closeDatabase();
      await stopTracing?.();
    },
    liveness: (_request: unknown, reply: { send(text: string): void }) => reply.send('OK'),
    readiness: (_request: unknown, reply: { send(text: string): void }) => reply.send('OK'),
    cors: () => [],
  };
  server = await listeningWith({ ...(host && { host }), ...(reusePort && { reusePort }) }, () =>
    withOurMetrics(() => faas.start(room as never, { port, logLevel: 'error' as never })),
  );
  guard(server);
  return server;
}

/** Looks at each request before the runtime does, and takes away what it adds to each answer. */
function guard(server: Server): void {
  const [runtime] = server.listeners('request') as ((...args: unknown[]) => void)[];
  if (!runtime) throw new Error('the function runtime does not serve');
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const wrong = hideEvent(request);
    if (wrong) {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(wrong);
      return;
    }
    const write = response.writeHead.bind(response) as (status: number, headers: OutgoingHttpHeaders) => ServerResponse;
    response.writeHead = ((status: number, headers: OutgoingHttpHeaders = {}) => {
      delete headers['access-control-allow-origin'];
      delete headers['access-control-allow-methods'];
      return write(status, headers);
    }) as typeof response.writeHead;
    runtime(request, response);
  });
}

async function listeningWith(more: net.ListenOptions, start: () => Promise<Server>): Promise<Server> {
  const { listen } = net.Server.prototype;
  // the runtime has no setting for these
  net.Server.prototype.listen = function (this: net.Server, options: net.ListenOptions, ...rest: unknown[]) {
    return Reflect.apply(listen, this, [{ ...options, ...more }, ...rest]) as net.Server;
  } as typeof listen;
  try {
    return await start();
  } finally {
    net.Server.prototype.listen = listen;
  }
}

/**
 * The runtime serves a registry of its own at `/metrics`; ours are put into it. Its labels, an id anew at each start
 * among them, would make new series of all at each start: the function's name replaces them.
 */
async function withOurMetrics(start: () => Promise<Server>): Promise<Server> {
  const { setDefaultLabels } = Registry.prototype;
  Registry.prototype.setDefaultLabels = function () {
    setDefaultLabels.call(this, { function: thisFunction });
    for (const metric of registry.getMetricsAsArray()) this.registerMetric(metric as unknown as Metric);
  };
  try {
    return await start();
  } finally {
    Registry.prototype.setDefaultLabels = setDefaultLabels;
  }
}
