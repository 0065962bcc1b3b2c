import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Connections that another process has accepted and this one serves. */
export interface TakenConnections {
  take(socket: Socket): void;
  /** Resolves when they are closed, within 20 seconds: Node does not count them among those that a server waits for. */
  closed(): Promise<void>;
}

export function takeConnections(server: Server): TakenConnections {
  const taken = new Set<Socket>();
  return {
    take(socket) {
      taken.add(socket);
      socket.once('close', () => taken.delete(socket));
      server.emit('connection', socket);
      socket.resume();
    },
    async closed() {
      for (const deadline = Date.now() + 20_000; taken.size > 0 && Date.now() < deadline; await wait(20)) {
        server.closeIdleConnections();
      }
    },
  };
}
