import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { takeConnections } from '#local/taken-connections.ts';
import { serveHttp } from '#platform/http/http-server.ts';

test('finishes a request on a connection that another process accepted before the server has stopped', async () => {
  const http = await serveHttp(async (request, response) => response.end(`read ${(await text(request)).length}`), {
    port: 0,
    host: '127.0.0.1',
  });
  const { take, closed } = takeConnections(http.server);
  const gateway = createServer({ pauseOnConnect: true }, take).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const client = connect((gateway.address() as AddressInfo).port, '127.0.0.1');
  const begun = once(http.server, 'request');
  client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab');
  await begun;
  const stopped = http.stop().then(closed);
  client.write('cd');
  expect(await text(client)).toContain('read 4');
  await stopped;
  gateway.close();
});
