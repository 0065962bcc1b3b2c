import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface HttpServer {
  server: Server;
  /**
   * Lets each client use its connection once more, for half a second; then accepts nothing new and finishes what is in
   * flight, within 20 seconds.
   */
  stop(): Promise<void>;
}

/** What a client may use of the server, however slow it is: times in ms, sizes in bytes. */
const limits: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  // how often Node checks for clients that take too long; 30 s by default
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
};

const graceMs = 500;

/** Serves an Express app; rejects if the port is taken. Without a host it listens everywhere, as a container has to. */
export async function serveHttp(
  app: RequestListener,
  where: { port: number; host?: string },
  options: ServerOptions = {},
): Promise<HttpServer> {
  const server = createServer({ ...limits, ...options }, app);
  const inFlight = new Set<ServerResponse>();
  const unused = new Set<Socket>();
  const open = new Set<Socket>();
  let leaving = false;
  server.on('connection', (socket) => {
    open.add(socket);
    unused.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      unused.delete(socket);
    });
  });
  // before the app, which may respond at once
  server.prependListener('request', (request, response) => {
    unused.delete(request.socket);
    inFlight.add(response);
    response.once('close', () => inFlight.delete(response));
    if (leaving) response.setHeader('connection', 'close');
  });
  server.listen(where);
  await once(server, 'listening');
  return {
    server,
    stop: async () => {
      leaving = true;
      // a stream has no end of its own
      for (const response of inFlight) if (response.getHeader('content-type') === 'text/event-stream') response.end();
      for (const response of inFlight) if (!response.headersSent) response.setHeader('connection', 'close');
      // a request that is sent just when its connection is closed would get no response
      for (const deadline = Date.now() + graceMs; open.size > 0 && Date.now() < deadline;) await wait(10);
      // a connection that a browser has opened to have one is not idle for Node until it was used
      const spare = setTimeout(() => unused.forEach((socket) => socket.destroy()), 1_000);
      await closed(server);
      clearTimeout(spare);
    },
  };
}

/** Accepts nothing new, finishes what is in flight, and after 20 seconds closes the rest. */
export async function closed(server: Server | undefined): Promise<void> {
  if (!server?.listening) return;
  const giveUp = setTimeout(() => server.closeAllConnections(), 20_000);
  // a connection that becomes idle after the server has closed would otherwise stay for its keep-alive time
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(giveUp);
  clearInterval(idle);
}
