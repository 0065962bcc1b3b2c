// Serves one function (K_SERVICE) as a child of the local shop: as start.ts does on Knative, and with what the supervisor
// needs (child.ts). It says when it is ready, ends with its parent, and takes over connections of the public port.
import { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { releaseStartMemory } from '#platform/runtime/start-memory.ts';
import { serveFunction, type FunctionModule } from '#platform/runtime/serve-function.ts';

process.on('disconnect', () => process.exit(1));
const name = process.env['K_SERVICE'] ?? '';
const taken = new Set<Socket>();
const http = await serveFunction(name, () => import(`#functions/${name}/index.ts`) as Promise<FunctionModule>, {
  beforeStop: lastConnection,
  afterStop: async () => {
    // Node does not count them among the connections that it waits for
    for (const deadline = Date.now() + 20_000; taken.size > 0 && Date.now() < deadline; await wait(20)) {
      http?.server.closeIdleConnections();
    }
  },
});
process.on('message', (_message, socket) => {
  if (!http || !(socket instanceof Socket)) return;
  process.send?.({ taken: true });
  taken.add(socket);
  socket.once('close', () => taken.delete(socket));
  http.server.emit('connection', socket);
  socket.resume();
});
process.send?.({ ready: true });
await releaseStartMemory();

/** Tells the supervisor to hand over no more connections; resolves when the last one has come. */
async function lastConnection(): Promise<void> {
  if (!process.connected) return;
  const last = new Promise<void>((resolve) => process.on('message', (message) => message === 'last' && resolve()));
  process.send?.({ leaving: true });
  await Promise.race([last, wait(1_000)]);
}
