// Serves one function (K_SERVICE) as a child of the local shop: like start.ts on Knative, plus what the supervisor
// (child.ts) needs. It reports when it is ready, exits with its parent, and takes over connections of the public port.
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { takeConnections, type TakenConnections } from '#local/taken-connections.ts';
import { exitBecause } from '#platform/runtime/settings.ts';
import { serveFunction, type FunctionModule } from '#platform/runtime/serve-function.ts';
import { releaseStartMemory } from '#platform/runtime/start-memory.ts';

process.on('disconnect', () => process.exit(1));
const name = process.env['K_SERVICE'] ?? '';
let connections: TakenConnections | undefined;
const http = await serveFunction(name, () => import(`#functions/${name}/index.ts`) as Promise<FunctionModule>, {
  beforeStop: lastConnection,
  afterStop: async () => connections?.closed(),
}).catch(exitBecause);
if (http) {
  const { take } = (connections = takeConnections(http.server));
  process.on('message', (_message, socket) => {
    if (!(socket instanceof Socket)) return;
    process.send?.({ taken: true });
    take(socket);
  });
}
process.send?.({ ready: true });
await releaseStartMemory();

/** Asks the supervisor to hand over no more connections; resolves when the last one has arrived. */
async function lastConnection(): Promise<void> {
  if (!process.connected) return;
  const last = new Promise<void>((resolve) => process.on('message', (message) => message === 'last' && resolve()));
  process.send?.({ leaving: true });
  await Promise.race([last, wait(1_000)]);
}
