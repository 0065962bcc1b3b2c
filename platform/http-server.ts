import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';

export interface HttpServer {
  server: Server;
  /** Finishes what is in flight, 20 seconds at most, and takes nothing new. */
  stop(): Promise<void>;
}

/** Serves an Express app; rejects if the port is taken. Without a host it listens everywhere, as a container has to. */
export async function serveHttp(app: RequestListener, where: { port: number; host?: string }): Promise<HttpServer> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 }, app);
  const underWay = new Set<ServerResponse>();
  const unused = new Set<Socket>();
  server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', (request, response) => {
    unused.delete(request.socket);
    underWay.add(response);
    response.once('close', () => underWay.delete(response));
  });
  server.listen(where);
  await once(server, 'listening');
  const stop = async () => {
    // a stream has no end of its own
    for (const response of underWay) if (response.getHeader('content-type') === 'text/event-stream') response.end();
    // a connection that a browser has opened to have one is not idle for Node until it was used
    const spare = setTimeout(() => unused.forEach((socket) => socket.destroy()), 1_000);
    await closed(server);
    clearTimeout(spare);
  };
  return { server, stop };
}

/** Takes nothing new, finishes what is in flight, and after 20 seconds gives up on the rest. */
export async function closed(server: Server | undefined): Promise<void> {
  if (!server?.listening) return;
  const giveUp = setTimeout(() => server.closeAllConnections(), 20_000);
  // a connection that becomes idle after the server has closed would otherwise stay for its keep-alive time
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(giveUp);
  clearInterval(idle);
}
