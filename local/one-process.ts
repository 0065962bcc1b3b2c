import { createStorefront } from '#functions/storefront/index.ts';
import { createBroker, type Deliver } from '#local/broker/broker.ts';
import { serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { deliverTo, startFunctions, withinProcess } from '#local/in-process.ts';
import { ping } from '#local/ping.ts';
import type { Running, Wiring } from '#local/wiring.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import { createContext } from '#platform/runtime/context.ts';
import { serveMetrics } from '#platform/telemetry/metrics-server.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';

/**
 * Runs every function in this process: the broker delivers events and the storefront forwards commands by function
 * calls. The broker also listens over HTTP, so that events can be posted manually.
 */
export async function runOneProcess({ port, brokerPort, faults }: Wiring): Promise<Running> {
  const stopTracing = await startTracing();
  const deliver: Deliver = (subscriber, event) => deliverTo(functions, subscriber, event);
  const broker = createBroker({ manifests: readManifests('broker'), deliver, ...(faults && { faults }) });
  const context = createContext(
    'shop',
    withinProcess(broker, () => functions),
  );
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
