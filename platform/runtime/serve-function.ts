import type { Express } from 'express';
import { z } from 'zod';
import type { EventHandle } from '#platform/events/on-event.ts';
import { originOf } from '#platform/http/function-client.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';
import { createContext, type FunctionContext, type ProcessContext } from '#platform/runtime/context.ts';
import { serveUnderRuntime } from '#platform/runtime/runtime.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import { log } from '#platform/telemetry/log.ts';
import { serveMetrics } from '#platform/telemetry/metrics-server.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';

/** What the folder of a function exports: `handle`, or an Express app for the function that is not under the runtime. */
export type FunctionModule =
  | { handle: EventHandle | RequestHandle }
  | { createStorefront: (context: FunctionContext) => Express; calledFunctions: string[] };

/** What the caller does at the end of the Express app: before it stops to listen, and after its last response. */
interface Hooks {
  beforeStop?: () => Promise<void>;
  afterStop?: () => Promise<void>;
}

/**
 * Serves one function: the storefront under Express, every other one under Knative's function runtime. Ends the process
 * cleanly on SIGTERM and SIGINT. Returns the server of an Express app. Throws `SettingsError`.
 */
export async function serveFunction(
  name: string,
  load: () => Promise<FunctionModule>,
  hooks: Hooks = {},
): Promise<HttpServer | undefined> {
  const { PORT, HOST, REUSE_PORT } = settings({
    PORT: wholeNumber(1, 65_535).default(8080),
    /** Where to listen; everywhere if it is not set, as a container has to. */
    HOST: z.string().optional(),
    /** Whether other processes of this function listen on the same port. */
    REUSE_PORT: z.stringbool().default(false),
  });
  const stopTracing = await startTracing();
  const module = await load();
  // an address that is missing ends the start, not the first order
  if ('calledFunctions' in module) module.calledFunctions.forEach(originOf);
  const context = createContext(name);
  const close = async () => {
    await context.close(10_000);
    await stopTracing();
  };
  const served = 'handle' in module ? module.handle(context) : module.createStorefront(context);
  // before the first token is verified: by the database's clock
  await context.connect();
  let http: HttpServer | undefined;
  if ('handle' in module) {
    await serveUnderRuntime(served as RequestFunction, {
      port: PORT,
      host: HOST,
      reusePort: REUSE_PORT,
      onClosed: close,
    });
  } else {
    http = await serveHttp(served as Express, { port: PORT, ...(HOST && { host: HOST }) });
    await stopOnSignal(http, context, HOST, { ...hooks, close });
  }
  context.tasks.start();
  log.info({ port: PORT }, 'ready');
  return http;
}

async function stopOnSignal(
  http: HttpServer,
  context: ProcessContext,
  host: string | undefined,
  { beforeStop, afterStop, close }: Hooks & { close: () => Promise<void> },
): Promise<void> {
  const metrics = await serveMetrics(host);
  const end = async () => {
    await beforeStop?.();
    await http.stop();
    await afterStop?.();
    await context.tasks.done(10_000);
    await metrics?.stop();
    await close();
    process.exit(0);
  };
  process.once('SIGTERM', () => void end());
  process.once('SIGINT', () => void end());
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught');
    process.exit(1);
  });
}
