import '#platform/runtime/calm-runtime.ts';
import net from 'node:net';
import type { OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import faas from '@knative/func-runtime';
import { Registry, type Metric } from 'prom-client';
import { hideEvent } from '#platform/events/event-http.ts';
import type { FunctionResponse, Invocation } from '#platform/events/on-event.ts';
import { closed } from '#platform/http/http-server.ts';
import { log, thisFunction } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';

interface Options {
  port: number;
  /** Where to listen; everywhere without it. */
  host?: string | undefined;
  /** Shares the port with other processes; the kernel distributes connections among them. */
  reusePort?: boolean;
  /** Called when the server has finished what was in flight. */
  onClosed?: () => Promise<void>;
}

/**
 * Serves one function under Knative's function runtime, without the runtime's traps: it would listen on every address,
 * return 500 for an event that it cannot read, drop requests in flight at SIGTERM, exit with 0 after a crash, report itself
 * unhealthy under load, and allow every origin.
 */
export async function serveUnderRuntime(
  handle: (invocation: Invocation) => Promise<FunctionResponse>,
  { port, host, reusePort, onClosed }: Options,
): Promise<Server> {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught');
    process.exit(1);
  });
  let server: Server | undefined;
  const served = {
    handle: async (invocation: Invocation) => {
      const { statusCode, headers, body } = await handle(invocation);
      return { statusCode, headers, body: body ?? '' };
    },
    shutdown: async () => {
      await closed(server);
      await onClosed?.();
    },
    liveness: (_request: unknown, reply: { send(text: string): void }) => reply.send('OK'),
    readiness: (_request: unknown, reply: { send(text: string): void }) => reply.send('OK'),
    cors: () => [],
  };
  server = await listeningWith({ ...(host && { host }), ...(reusePort && { reusePort }) }, () =>
    withOwnMetrics(() => faas.start(served as never, { port, logLevel: 'error' as never })),
  );
  guard(server);
  return server;
}

/** Reads each request before the runtime does, and removes what the runtime adds to each response. */
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
 * The runtime serves a registry of its own at `/metrics`, which gets the shop's metrics too. The runtime's labels have a new
 * id at each start, which would make new series of all metrics: the function's name replaces them.
 */
async function withOwnMetrics(start: () => Promise<Server>): Promise<Server> {
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
