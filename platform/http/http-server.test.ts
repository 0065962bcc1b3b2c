import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';

const open: { server?: HttpServer; sockets: Socket[] } = { sockets: [] };
afterEach(async () => {
  for (const socket of open.sockets.splice(0)) socket.destroy();
  await open.server?.stop();
});

/** Serves an app that responds with the size of what it read; `call` opens a connection to send bytes on. */
async function serve(options = {}): Promise<{ server: HttpServer; call: () => Socket }> {
  const app: Parameters<typeof serveHttp>[0] = (request, response) =>
    void text(request).then(
      (body) => response.end(`read ${body.length}`),
      () => undefined,
    );
  const server = await serveHttp(app, { port: 0, host: '127.0.0.1' }, options);
  open.server = server;
  const { port } = server.server.address() as AddressInfo;
  return {
    server,
    call: () => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      open.sockets.push(socket);
      return socket;
    },
  };
}

/** Sends a byte again and again until the server responds or ends the connection; returns the response. */
async function trickle(socket: Socket, byte: string): Promise<string> {
  let response = '';
  socket.on('data', (chunk) => (response += chunk.toString()));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  while (response === '' && !socket.destroyed && socket.writable) {
    socket.write(byte);
    await wait(20);
  }
  await ended;
  return response;
}

describe('a slow client', () => {
  const short = { headersTimeout: 200, requestTimeout: 400, connectionsCheckingInterval: 50 };

  test('gets 408 for headers that never end', async () => {
    const { call } = await serve(short);
    const socket = call();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ');
    // bytes still being sent when the connection ends may discard the response
    expect(await trickle(socket, 'a')).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  // promise: owasp-api4
  test('gets 408 for a body that never ends', async () => {
    const { call } = await serve(short);
    const socket = call();
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
    expect(await trickle(socket, 'a')).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('does not block others, even a hundred times over', async () => {
    const { call } = await serve();
    for (let count = 0; count < 100; count += 1) call().write('GET / HTTP/1.1\r\nhost: x\r\n');
    const socket = call();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('has 10 s for the headers and 30 s for a request by default', async () => {
    const { server } = await serve();
    const { headersTimeout, requestTimeout } = server.server;
    expect({ headersTimeout, requestTimeout }).toEqual({ headersTimeout: 10_000, requestTimeout: 30_000 });
  });
});

// promise: owasp-api4
test('returns 431 for headers above 16 KiB', async () => {
  const { call } = await serve();
  const socket = call();
  socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'a'.repeat(17_000)}\r\n\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 431 /);
});

test('returns 400 for what is not HTTP', async () => {
  const { call } = await serve();
  const socket = call();
  socket.write('EHLO example.com\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
});

// promise: sigterm
test('serves the next request of an open connection while it stops, and then closes the connection', async () => {
  const { server, call } = await serve();
  const socket = call();
  const request = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
  socket.write(request);
  const [first] = (await once(socket, 'data')) as [Buffer];
  expect(first.toString()).toMatch(/connection: keep-alive/i);
  const began = Date.now();
  const stopped = server.stop();
  await wait(100);
  socket.write(request);
  const last = await text(socket);
  expect(last).toMatch(/^HTTP\/1\.1 200 /);
  expect(last).toMatch(/connection: close/i);
  await stopped;
  expect(Date.now() - began).toBeLessThan(5_000);
});
