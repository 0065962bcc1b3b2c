import { createBroker, type Deliver } from '#local/broker/broker.ts';
import { serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#local/broker/manifests.ts';
import { functionNames } from '#local/functions.ts';
import { ping } from '#local/ping.ts';
import type { Running, Wiring } from '#local/wiring.ts';
import { backgroundDone, type Background } from '#platform/runtime/background.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import { closeDatabase, connectDatabase } from '#platform/database/database.ts';
import { connectFunctions } from '#platform/http/function-client.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import { serveMetrics } from '#platform/telemetry/metrics-server.ts';
import type { EventHandle } from '#platform/events/on-event.ts';
import type { RequestHandle } from '#platform/http/on-request.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';

interface FunctionModule {
  handle: EventHandle | RequestHandle;
  background?: Background;
}

/**
 * Runs every function in this process: the broker hands them events, and the storefront commands, by plain calls.
 * The broker listens over HTTP too, so that events can be posted by hand.
 */
export async function runOneProcess({ port, brokerPort, faults }: Wiring): Promise<Running> {
  const stopTracing = await startTracing();
  const [rooms] = await Promise.all([importFunctions(), connectDatabase()]);
  const deliver: Deliver = async (subscriber, event) => {
    const handle = rooms.get(subscriber)?.handle;
    return handle && 'deliver' in handle ? handle.deliver(event, subscriber) : { status: 404 };
  };
  const broker = createBroker({ manifests: readManifests('broker'), deliver, ...(faults && { faults }) });
  const ingress = await serveBroker(broker, { port: brokerPort, host: '127.0.0.1' });
  connectBroker(async (event) => {
    const { status } = await broker.ingest(event);
    if (status !== 202) throw new Error(`the broker answered ${status}`);
  });
  connectFunctions(async (name, { headers, body }) => {
    const room = rooms.get(name);
    if (!room) throw new Error(`there is no function ${name}`);
    return room.handle({ method: 'POST', headers, body }, name);
  });
  const { createStorefront } = await import('#functions/storefront/index.ts');
  const storefront = await serveHttp(createStorefront(), { port, host: '127.0.0.1' });
  const metrics = await serveMetrics('127.0.0.1');
  const stopBackground = [...new Set([...rooms.values()].flatMap(({ background }) => background ?? []))].map((start) =>
    start(),
  );
  return {
    sweep: async () => void (await deliver('sweep', ping(), { timeoutMs: 10_000 })),
    replaceFunctions: async () => {
      throw new Error('All functions are in one process: end the shop and start it again.');
    },
    stop: async () => {
      await storefront.stop();
      await Promise.all(stopBackground.map((stop) => stop()));
      await backgroundDone(5_000);
      await ingress.close();
      await broker.close();
      await backgroundDone(5_000);
      await metrics?.stop();
      await closeDatabase();
      await stopTracing();
    },
  };
}

async function importFunctions(): Promise<Map<string, FunctionModule>> {
  const names = functionNames.filter((name) => name !== 'storefront');
  const rooms = names.map(
    async (name) => [name, (await import(`#functions/${name}/index.ts`)) as FunctionModule] as const,
  );
  return new Map(await Promise.all(rooms));
}
