import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createBroker } from '#local/broker/broker.ts';
import { parseFaults } from '#local/broker/faults.ts';
import { deliverOverHttp, serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { programSettings, wholeNumber } from '#platform/runtime/settings.ts';

// The broker as a separate process. It sends its port to its parent, and writes only errors.

const DRAIN_MS = 5000;

const { BROKER_PORT, BROKER_DIR, SUBSCRIBERS, BROKER_FAULTS } = programSettings({
  BROKER_PORT: wholeNumber(0, 65_535),
  BROKER_DIR: z.string().default('broker'),
  SUBSCRIBERS: z.string().transform(urls),
  BROKER_FAULTS: z.string().optional(),
});

try {
  await run();
} catch (error) {
  writeError((error as Error).message);
  process.exit(1);
}

async function run(): Promise<void> {
  const broker = createBroker({
    manifests: readManifests(BROKER_DIR),
    deliver: deliverOverHttp(urlOf),
    faults: BROKER_FAULTS === undefined ? undefined : parseFaults(BROKER_FAULTS),
    onDrop: ({ id, type }, reason) => writeError(`lost ${type} ${id}: ${reason}`),
  });
  const server = await serveBroker(broker, { port: BROKER_PORT });
  const stop = async () => {
    await Promise.race([Promise.all([server.close(), broker.idle()]), delay(DRAIN_MS)]);
    process.exit(0);
  };
  // the channel disconnects when the parent exits
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, () => void stop());
  process.send?.({ ready: true, port: server.port });
}

function urlOf(subscriber: string): string {
  const url = SUBSCRIBERS[subscriber];
  if (url === undefined) throw new Error(`SUBSCRIBERS has no ${subscriber}`);
  return url;
}

function urls(text: string, context: z.core.$RefinementCtx<string>): Record<string, string> {
  try {
    return z.record(z.string(), z.url({ protocol: /^https?$/ })).parse(JSON.parse(text));
  } catch {
    context.addIssue({ code: 'custom', message: 'must be a JSON object of names and URLs', input: text });
    return z.NEVER;
  }
}

function writeError(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}
