import { createStorefront } from '#functions/storefront/index.ts';
import { createBroker, type Deliver } from '#local/broker/broker.ts';
import { serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { functionNames } from '#local/functions.ts';
import { ping } from '#local/ping.ts';
import type { Running, Wiring } from '#local/wiring.ts';
import type { EventFunction, EventHandle } from '#platform/events/on-event.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';
import { createContext, type ProcessContext } from '#platform/runtime/context.ts';
import { serveMetrics } from '#platform/telemetry/metrics-server.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';

/**
 * Runs every function in this process: the broker delivers events and the storefront forwards commands by function
 * calls. The broker also listens over HTTP, so that events can be posted manually.
 */
export async function runOneProcess({ port, brokerPort, faults }: Wiring): Promise<Running> {
  const stopTracing = await startTracing();
  const deliver: Deliver = async (subscriber, event) => {
    const found = functions.get(subscriber);
    return found && 'deliver' in found ? found.deliver(event) : { status: 404 };
  };
  const broker = createBroker({ manifests: readManifests('broker'), deliver, ...(faults && { faults }) });
  const context = createContext('shop', {
    broker: {
      send: async (event) => {
        const { status } = await broker.ingest(event);
        if (status !== 202) throw new Error(`the broker responded with ${status}`);
      },
      isReachable: async () => true,
    },
    callFunction: async (name, { headers, body }) => {
      const found = functions.get(name);
      if (!found) throw new Error(`there is no function ${name}`);
      return found({ method: 'POST', headers, body });
    },
  });
  const [functions] = await Promise.all([startFunctions(context), context.connect()]);
  const ingress = await serveBroker(broker, { port: brokerPort, host: '127.0.0.1' });
  const storefront = await serveHttp(createStorefront(context), { port, host: '127.0.0.1' });
  const metrics = await serveMetrics('127.0.0.1');
  context.tasks.start();
  return {
    sweep: async () => void (await deliver('sweep', ping(), { timeoutMs: 10_000 })),
    replaceFunctions: async () => {
      throw new Error('All functions are in one process: restart the shop.');
    },
    stop: async () => {
      await storefront.stop();
      await context.tasks.stop();
      await context.tasks.done(5_000);
      await ingress.close();
      await broker.close();
      await metrics?.stop();
      await context.close(5_000);
      await stopTracing();
    },
  };
}

async function startFunctions(context: ProcessContext): Promise<Map<string, EventFunction | RequestFunction>> {
  const names = functionNames.filter((name) => name !== 'storefront');
  const started = names.map(async (name) => {
    const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle: EventHandle | RequestHandle };
    return [name, handle(context.of(name))] as const;
  });
  return new Map(await Promise.all(started));
}
