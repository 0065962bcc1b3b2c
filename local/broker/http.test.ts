import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createBroker, type SubscriberResponse } from '#local/broker/broker.ts';
import { event, inProcess, manifestsOf, trigger, type Event } from '#local/broker/fixtures.ts';
import { deliverOverHttp, serveBroker } from '#local/broker/http.ts';
import { rawBody, type RawEvent } from '#platform/events/event-codec.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A subscriber on the loopback that records its requests. */
async function subscriber(respond: (response: ServerResponse, received: Received) => unknown) {
  const received: Received[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const message = { headers: request.headers, body: await text(request) };
    received.push(message);
    respond(response, message);
  });
  server.on('connection', () => (connections += 1)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(() => (server.close(), server.closeAllConnections()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, received, connections: () => connections };
}

/** A broker on the loopback whose subscriber `first` is called in this process. */
async function ingress() {
  const { deliver, received } = inProcess({});
  const broker = createBroker({ manifests: manifestsOf(trigger('*', 'first')), deliver });
  const server = await serveBroker(broker, { port: 0 });
  opened.push(() => server.close());
  const origin = `http://127.0.0.1:${server.port}`;
  const post = (
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer> = '{}',
    path = '/shop/default',
  ) => fetch(origin + path, { method: 'POST', headers, body });
  return { origin, post, received: () => received('first') };
}

/** An event without its original bytes. */
const withoutBytes = ({ [rawBody]: _bytes, ...rest }: RawEvent) => rest;

const binary = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/test',
  'ce-type': 'a',
  'content-type': 'application/json',
};
const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' };

describe('the ingress', () => {
  test('reads the same event in both modes, and adds only its arrival time', async () => {
    const { post, received } = await ingress();
    const sent = event('a', { id: '1', datacontenttype: 'application/json', subject: 'o1', correlationid: 'c' });
    await post({ ...binary, 'ce-subject': 'o1', 'ce-correlationid': 'c' }, '{"n":0.1}');
    await post(structured, JSON.stringify({ ...sent, data: { n: 0.1 } }));
    const expected = { ...sent, data: { n: 0.1 }, knativearrivaltime: expect.any(String) };
    expect(received().map(withoutBytes)).toEqual([expected, expected]);
  });

  // promise: external-events
  test('adds no attribute that an event does not have', async () => {
    const { post, received } = await ingress();
    const { 'content-type': _type, ...bare } = binary;
    await post(bare, Uint8Array.from([0, 255]));
    await post(structured, JSON.stringify({ ...event('a'), data: 1 }));
    for (const one of received()) expect(Object.keys(one)).not.toEqual(expect.arrayContaining(['time']));
    expect(received().map(({ datacontenttype }) => datacontenttype)).toEqual([undefined, undefined]);
  });

  // HTTP binding 1.0.2, section 3.1.3.2
  // promise: external-events
  test.each([
    ['注文-7', '%E6%B3%A8%E6%96%87-7'],
    ['a "b" 100%', 'a%20%22b%22%20100%25'],
    ['€ and 😀', '%E2%82%AC%20and%20%F0%9F%98%80'],
    ['plain/~text!', 'plain/~text!'],
  ])('encodes the attribute %s as the header %s, and decodes it again', async (value, header) => {
    const { post, received } = await ingress();
    await post({ ...binary, 'ce-subject': header });
    await post(structured, JSON.stringify(event('a', { subject: value })));
    expect(received().map(({ subject }) => subject)).toEqual([value, value]);
    const { url, received: requests } = await subscriber((response) => response.end());
    await deliverOverHttp(() => url)('first', event('a', { subject: value }), { timeoutMs: 10_000 });
    expect(requests[0]?.headers['ce-subject']).toBe(header);
  });

  test.each([
    ['%zz', '%zz'],
    ['%ff', '%ff'],
    ['"in quotes"', 'in quotes'],
    ['"a \\"b\\""', 'a "b"'],
  ])('accepts a header with another encoding: %s', async (header, value) => {
    const { post, received } = await ingress();
    await post({ ...binary, 'ce-subject': header });
    expect(received()).toMatchObject([{ subject: value }]);
  });

  test('refuses a body of more than 16 MiB and accepts one of 16 MiB', async () => {
    const { post, received } = await ingress();
    const image = { ...binary, 'content-type': 'image/png' };
    const bytes = new Uint8Array(16 * 1024 * 1024 + 1);
    expect((await post(image, bytes)).status).toBe(413);
    expect((await post(image, bytes.subarray(1))).status).toBe(202);
    expect(received()).toHaveLength(1);
  });

  test('rejects with the original error if the port is taken', async () => {
    const { origin } = await ingress();
    const broker = createBroker({ manifests: manifestsOf(), deliver: async () => ({ status: 204 }) });
    const port = Number(new URL(origin).port);
    await expect(serveBroker(broker, { port })).rejects.toMatchObject({ code: 'EADDRINUSE', port });
  });
});

describe('a delivery', () => {
  const deliver = (url: string, sent: Event = event('a'), timeoutMs = 10_000) =>
    deliverOverHttp(() => url)('first', sent, { timeoutMs });

  test.each<[string, Partial<Event>, string]>([
    ['a JSON string', { datacontenttype: 'application/json', data: 'text' }, '"text"'],
    ['a JSON number', { datacontenttype: 'application/json', data: 0 }, '0'],
    ['another JSON type', { datacontenttype: 'application/problem+json', data: {} }, '{}'],
    ['plain text', { datacontenttype: 'text/plain', data: 'text' }, 'text'],
    ['bytes', { datacontenttype: 'image/png', data: Buffer.from('bytes') }, 'bytes'],
    ['bytes in base64', { datacontenttype: 'image/png', data_base64: 'Ynl0ZXM=' }, 'bytes'],
    ['nothing', {}, ''],
  ])('passes on %s unchanged', async (_, content, body) => {
    const { url, received } = await subscriber((response) => response.end());
    await deliver(url, event('a', content));
    expect(received).toMatchObject([{ body }]);
  });

  test('reports the status, the body and Retry-After of a failure', async () => {
    const { url } = await subscriber((response) => response.writeHead(503, { 'retry-after': '2' }).end('busy'));
    expect(await deliver(url)).toEqual({ status: 503, body: 'busy', retryAfterMs: 2000 });
  });

  test('accepts a date in Retry-After', async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const { url } = await subscriber((response) => response.writeHead(429, { 'retry-after': date }).end());
    const { retryAfterMs = 0 } = await deliver(url);
    expect(retryAfterMs).toBeGreaterThan(30_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('reuses connections', async () => {
    const { url, connections } = await subscriber((response) => response.end());
    const deliverTo = deliverOverHttp(() => url);
    for (let n = 0; n < 20; n += 1) await deliverTo('first', event('a'), { timeoutMs: 10_000 });
    expect(connections()).toBeLessThan(5);
  });
});

test('waits for the responses in flight when it closes', async () => {
  const { promise: slow, resolve: finish } = Promise.withResolvers<SubscriberResponse>();
  const { promise: called, resolve: calling } = Promise.withResolvers<void>();
  const deliver = () => (calling(), slow);
  const broker = createBroker({ manifests: manifestsOf(trigger('a', 'first')), deliver });
  const server = await serveBroker(broker, { port: 0 });
  const posted = fetch(`http://127.0.0.1:${server.port}/shop/default`, {
    method: 'POST',
    headers: binary,
    body: '{}',
  });
  await called;
  const closed = server.close();
  finish({ status: 204 });
  expect((await posted).status).toBe(202);
  await closed;
});
