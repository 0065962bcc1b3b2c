import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Express } from 'express';
import { z } from 'zod';
import { backgroundDone } from '#platform/runtime/background.ts';
import { closeDatabase, connectDatabase } from '#platform/database/database.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import { log } from '#platform/telemetry/log.ts';
import { serveMetrics } from '#platform/telemetry/metrics-server.ts';
import { serveUnderRuntime, type FunctionModule } from '#platform/runtime/runtime.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';

const { PORT, HOST, REUSE_PORT } = settings({
  PORT: wholeNumber(1, 65_535).default(8080),
  /** Where to listen; everywhere if it is not set, as a container has to. */
  HOST: z.string().optional(),
  /** Whether other processes of this function listen at the same port. */
  REUSE_PORT: z.stringbool().default(false),
});

/** Serves one function: the storefront under Express, every other one under Knative's function runtime. */
export async function serveFunction(name: string): Promise<void> {
  if (!/^[a-z-]+$/.test(name) || !existsSync(new URL(`../../functions/${name}/index.ts`, import.meta.url))) {
    const hint = 'This image serves one function a service, by its name: ./shop.sh start deploys all of them.';
    process.stderr.write(`There is no function "${name}" (K_SERVICE). ${hint}\n`);
    process.exit(1);
  }
  // a local shop's child ends with it
  process.on('disconnect', () => process.exit(1));
  const stopTracing = await startTracing();
  const room = (await import(`#functions/${name}/index.ts`)) as FunctionModule | { createStorefront: () => Express };
  // before the first token is checked: by the database's clock
  await connectDatabase();
  if ('createStorefront' in room) await serveStorefront(room.createStorefront(), stopTracing);
  else await serveUnderRuntime(room, { port: PORT, host: HOST, reusePort: REUSE_PORT, stopTracing });
  process.send?.({ ready: true });
  log.info({ port: PORT }, 'ready');
}

async function serveStorefront(app: Express, stopTracing: () => Promise<void>): Promise<void> {
  const { callOverHttp, connectFunctions } = await import('#platform/http/function-client.ts');
  connectFunctions(callOverHttp());
  const metrics = await serveMetrics(HOST);
  const http = await serveHttp(app, { port: PORT, ...(HOST && { host: HOST }) });
  // the local shop keeps the public port open while the storefront is replaced, and hands its connections over
  process.on('message', (_message, socket) => {
    if (!(socket instanceof Socket)) return;
    process.send?.({ taken: true });
    http.take(socket);
  });
  const end = async () => {
    await lastConnection();
    await http.stop();
    await backgroundDone(10_000);
    await metrics?.stop();
    await closeDatabase();
    await stopTracing();
    process.exit(0);
  };
  process.once('SIGTERM', () => void end());
  process.once('SIGINT', () => void end());
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught');
    process.exit(1);
  });
}

/** Tells the local shop, if it is one, to hand over no more connections; resolves when the last one has come. */
async function lastConnection(): Promise<void> {
  if (!process.connected) return;
  const last = new Promise<void>((resolve) => process.on('message', (message) => message === 'last' && resolve()));
  process.send?.({ leaving: true });
  await Promise.race([last, wait(1_000)]);
}
