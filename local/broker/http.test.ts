import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createBroker, type Answer } from '#local/broker/broker.ts';
import { event, inProcess, manifestsOf, trigger, type Event } from '#local/broker/fixtures.ts';
import { deliverOverHttp, serveBroker } from '#local/broker/http.ts';
import { rawBody, type RawEvent } from '#platform/event-codec.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((close) => close()));
});

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A subscriber on the loopback; keeps what it was sent. */
async function subscriber(answer: (response: ServerResponse, received: Received) => unknown) {
  const received: Received[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const message = { headers: request.headers, body: await text(request) };
    received.push(message);
    answer(response, message);
  });
  server.on('connection', () => (connections += 1)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(() => (server.close(), server.closeAllConnections()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, received, connections: () => connections };
}

/** A broker on the loopback whose subscriber `first` is called in this process. */
async function ingress() {
  const { deliver, given } = inProcess({});
  const broker = createBroker({ manifests: manifestsOf(trigger('*', 'first')), deliver });
  const server = await serveBroker(broker, { port: 0 });
  opened.push(() => server.close());
  const origin = `http://127.0.0.1:${server.port}`;
  const post = (
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer> = '{}',
    path = '/shop/default',
  ) => fetch(origin + path, { method: 'POST', headers, body });
  return { origin, post, given: () => given('first') };
}

/** An event without the bytes that it arrived as, which travel with it unseen. */
const withoutBytes = ({ [rawBody]: _bytes, ...rest }: RawEvent) => rest;

const binary = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/test',
  'ce-type': 'a',
  'content-type': 'application/json',
};
const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const without = (name: string) => Object.fromEntries(Object.entries(binary).filter(([key]) => key !== name));

describe('the ingress', () => {
  test.each([
    ['an event to the broker', 'POST', '/shop/default', 202],
    ['an event to the broker, with a slash at the end', 'POST', '/shop/default/', 202],
    ['an event to an unknown broker', 'POST', '/shop/other', 404],
    ['an event to a broker elsewhere', 'POST', '/other/default', 404],
    ['an event to /', 'POST', '/', 404],
    ['GET', 'GET', '/shop/default', 405],
    ['PUT', 'PUT', '/shop/default', 405],
    ['DELETE', 'DELETE', '/shop/default', 405],
    ['OPTIONS', 'OPTIONS', '/shop/default', 200],
    ['a look at its health', 'GET', '/healthz', 200],
  ])('%s: %s %s is answered %d', async (_, method, path, status) => {
    const { origin } = await ingress();
    const body = method === 'GET' ? {} : { body: '{}' };
    const response = await fetch(origin + path, { method, headers: binary, ...body });
    expect(response.status).toBe(status);
    if (status === 405) expect(response.headers.get('allow')).toBe('POST, OPTIONS');
  });

  test.each([
    ['specversion 1.0', binary, '{}', 202],
    ['specversion 0.3', { ...binary, 'ce-specversion': '0.3' }, '{}', 202],
    ['specversion 19.0', { ...binary, 'ce-specversion': '19.0' }, '{}', 400],
    ['no specversion', without('ce-specversion'), '{}', 400],
    ['no type', without('ce-type'), '{}', 400],
    ['no source', without('ce-source'), '{}', 400],
    ['no id', without('ce-id'), '{}', 400],
    ['an empty id', { ...binary, 'ce-id': '' }, '{}', 400],
    ['a time that is none', { ...binary, 'ce-time': 'yesterday' }, '{}', 400],
    ['a name that no attribute has', { ...binary, 'ce-order-id': '1' }, '{}', 400],
    ['its count used up', { ...binary, 'ce-knativebrokerttl': '1' }, '{}', 400],
    ['no data', binary, '', 202],
    ['unreadable data, which is for the subscriber to refuse', binary, '{', 202],
    ['no event at all', { 'content-type': 'application/json' }, '{}', 400],
  ])('an event in binary mode with %s', async (_, headers, body, status) => {
    const { post } = await ingress();
    expect((await post(headers, body)).status).toBe(status);
  });

  test.each<[string, unknown, number]>([
    ['specversion 1.0', event('a', { data: {} }), 202],
    ['specversion 0.3', event('a', { specversion: '0.3' }), 202],
    ['specversion 19.0', event('a', { specversion: '19.0' }), 400],
    ['no specversion', { ...event('a'), specversion: undefined }, 400],
    ['no type', { ...event('a'), type: undefined }, 400],
    ['no source', { ...event('a'), source: undefined }, 400],
    ['no id', { ...event('a'), id: undefined }, 400],
    ['an attribute that is an object', event('a', { ext: {} }), 400],
    ['an attribute that is null, which counts as absent', event('a', { subject: null as unknown as string }), 202],
    ['an id that is null', { ...event('a'), id: null }, 400],
    ['a time that is a day', event('a', { time: '2026-11-27' }), 400],
    ['a time as HTTP has it', event('a', { time: 'Fri, 27 Nov 2026 10:00:00 GMT' }), 400],
    ['a day that no year has', event('a', { time: '2026-02-30T10:00:00Z' }), 400],
    ['a leap second, in lower case', event('a', { time: '2016-12-31t23:59:60.5z' }), 202],
    ['data_base64 that is none', { ...event('a'), data_base64: '???' }, 400],
    ['a list in place of it', [event('a')], 400],
    ['nothing in it', null, 400],
  ])('an event in structured mode with %s', async (_, content, status) => {
    const { post } = await ingress();
    expect((await post(structured, JSON.stringify(content))).status).toBe(status);
  });

  test.each([
    ['a batch', { 'content-type': 'application/cloudevents-batch+json' }, JSON.stringify([event('a')])],
    ['structured mode that is no JSON', structured, '{'],
  ])('%s is refused', async (_, headers, body) => {
    const { post } = await ingress();
    expect((await post(headers, body)).status).toBe(400);
  });

  test('both modes lead to the same event, with nothing added but the time it arrived', async () => {
    const { post, given } = await ingress();
    const sent = event('a', { id: '1', datacontenttype: 'application/json', subject: 'o1', correlationid: 'c' });
    await post({ ...binary, 'ce-subject': 'o1', 'ce-correlationid': 'c' }, '{"n":0.1}');
    await post(structured, JSON.stringify({ ...sent, data: { n: 0.1 } }));
    const expected = { ...sent, data: { n: 0.1 }, knativearrivaltime: expect.any(String) };
    expect(given().map(withoutBytes)).toEqual([expected, expected]);
  });

  test('what an event does not have is not added on its way', async () => {
    const { post, given } = await ingress();
    const { 'content-type': _type, ...bare } = binary;
    await post(bare, Uint8Array.from([0, 255]));
    await post(structured, JSON.stringify({ ...event('a'), data: 1 }));
    for (const one of given()) expect(Object.keys(one)).not.toEqual(expect.arrayContaining(['time']));
    expect(given().map(({ datacontenttype }) => datacontenttype)).toEqual([undefined, undefined]);
  });

  // HTTP binding 1.0.2, section 3.1.3.2
  test.each([
    ['注文-7', '%E6%B3%A8%E6%96%87-7'],
    ['a "b" 100%', 'a%20%22b%22%20100%25'],
    ['€ and 😀', '%E2%82%AC%20and%20%F0%9F%98%80'],
    ['plain/~text!', 'plain/~text!'],
  ])('the attribute %s is %s in a header, both ways', async (value, header) => {
    const { post, given } = await ingress();
    await post({ ...binary, 'ce-subject': header });
    await post(structured, JSON.stringify(event('a', { subject: value })));
    expect(given().map(({ subject }) => subject)).toEqual([value, value]);
    const { url, received } = await subscriber((response) => response.end());
    await deliverOverHttp(() => url)('first', event('a', { subject: value }), { timeoutMs: 10_000 });
    expect(received[0]?.headers['ce-subject']).toBe(header);
  });

  test.each([
    ['%zz', '%zz'],
    ['%ff', '%ff'],
    ['"in quotes"', 'in quotes'],
    ['"a \\"b\\""', 'a "b"'],
  ])('a header that is encoded otherwise is taken as it can be: %s', async (header, value) => {
    const { post, given } = await ingress();
    await post({ ...binary, 'ce-subject': header });
    expect(given()).toMatchObject([{ subject: value }]);
  });

  test('a body of more than 1 MiB is refused, one of 1 MiB is taken', async () => {
    const { post, given } = await ingress();
    const image = { ...binary, 'content-type': 'image/png' };
    expect((await post(image, new Uint8Array(1024 * 1024 + 1))).status).toBe(413);
    expect((await post(image, new Uint8Array(1024 * 1024))).status).toBe(202);
    expect(given()).toHaveLength(1);
  });

  test('a port that is taken is told as it is', async () => {
    const { origin } = await ingress();
    const broker = createBroker({ manifests: manifestsOf(), deliver: async () => ({ status: 204 }) });
    const port = Number(new URL(origin).port);
    await expect(serveBroker(broker, { port })).rejects.toMatchObject({ code: 'EADDRINUSE', port });
  });
});

describe('a delivery', () => {
  const deliver = (url: string, sent: Event = event('a'), timeoutMs = 10_000) =>
    deliverOverHttp(() => url)('first', sent, { timeoutMs });

  test('is a POST in binary mode that prefers a reply', async () => {
    const { url, received } = await subscriber((response) => response.writeHead(204).end());
    const sent = event('a', { datacontenttype: 'application/json', correlationid: 'c', data: { n: 1 } });
    expect(await deliver(url, sent)).toMatchObject({ status: 204 });
    expect(received).toMatchObject([
      { headers: { ...binary, 'ce-id': '1.a', 'ce-correlationid': 'c', prefer: 'reply' }, body: '{"n":1}' },
    ]);
  });

  test.each<[string, Partial<Event>, string]>([
    ['JSON that is a text', { datacontenttype: 'application/json', data: 'text' }, '"text"'],
    ['JSON that is a number', { datacontenttype: 'application/json', data: 0 }, '0'],
    ['JSON of a special kind', { datacontenttype: 'application/problem+json', data: {} }, '{}'],
    ['plain text', { datacontenttype: 'text/plain', data: 'text' }, 'text'],
    ['bytes', { datacontenttype: 'image/png', data: Buffer.from('bytes') }, 'bytes'],
    ['bytes in base64', { datacontenttype: 'image/png', data_base64: 'Ynl0ZXM=' }, 'bytes'],
    ['nothing', {}, ''],
  ])('brings %s as it is', async (_, content, body) => {
    const { url, received } = await subscriber((response) => response.end());
    await deliver(url, event('a', content));
    expect(received).toMatchObject([{ body }]);
  });

  test.each<[string, Record<string, string>, string, Answer]>([
    ['nothing', {}, '', { status: 200, body: '' }],
    [
      'an event in binary mode',
      binary,
      '{"n":1}',
      { status: 200, event: event('a', { id: '1', datacontenttype: 'application/json', data: { n: 1 } }) },
    ],
    [
      'an event in structured mode',
      structured,
      JSON.stringify(event('a', { data: 'x' })),
      { status: 200, event: event('a', { data: 'x' }) },
    ],
    ['something else', { 'content-type': 'text/plain' }, 'hello', { status: 200, body: 'hello' }],
    ['an event without a type', without('ce-type'), '{}', { status: 200, body: 'malformed event: type is missing' }],
    [
      'an event that is no JSON',
      structured,
      '{',
      { status: 200, body: expect.stringMatching(/^malformed event: /) as unknown as string },
    ],
  ])('that is answered 200 with %s', async (_, headers, body, answer) => {
    const { url } = await subscriber((response) => response.writeHead(200, headers).end(body));
    const { event: replied, ...status } = await deliver(url);
    expect({ ...status, ...(replied && { event: withoutBytes(replied) }) }).toEqual(answer);
  });

  test('that fails says what it was answered and how long to wait', async () => {
    const { url } = await subscriber((response) => response.writeHead(503, { 'retry-after': '2' }).end('busy'));
    expect(await deliver(url)).toEqual({ status: 503, body: 'busy', retryAfterMs: 2000 });
  });

  test('that fails may be told a date to wait for', async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const { url } = await subscriber((response) => response.writeHead(429, { 'retry-after': date }).end());
    const { retryAfterMs = 0 } = await deliver(url);
    expect(retryAfterMs).toBeGreaterThan(30_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('that cannot connect says why; one that takes too long has nothing to say', async () => {
    expect(await deliver('http://127.0.0.1:1/')).toEqual({ status: -1, body: expect.stringContaining('ECONNREFUSED') });
    const { url } = await subscriber(() => undefined);
    expect(await deliver(url, event('a'), 20)).toEqual({ status: -1 });
  });

  test('uses connections again', async () => {
    const { url, connections } = await subscriber((response) => response.end());
    const deliverTo = deliverOverHttp(() => url);
    for (let n = 0; n < 20; n += 1) await deliverTo('first', event('a'), { timeoutMs: 10_000 });
    expect(connections()).toBeLessThan(5);
  });
});

describe('a broker with its subscribers over HTTP', () => {
  test('carries an event and its reply, and nothing that is only between producer and broker', async () => {
    const reply = { ...binary, 'ce-id': '2', 'ce-type': 'b' };
    const first = await subscriber((response) => response.writeHead(200, reply).end('{"n":2}'));
    const second = await subscriber((response) => response.writeHead(204).end());
    const urls: Record<string, string> = { first: first.url, second: second.url };
    const manifests = manifestsOf(trigger('a', 'first'), trigger('b', 'second'));
    const broker = createBroker({ manifests, deliver: deliverOverHttp((name) => urls[name] ?? '') });
    const server = await serveBroker(broker, { port: 0 });
    opened.push(() => server.close());
    const headers = { ...binary, authorization: 'Bearer secret', 'x-other': '1', 'ce-knativebrokerttl': '9' };
    const url = `http://127.0.0.1:${server.port}/shop/default`;
    expect((await fetch(url, { method: 'POST', headers, body: '{"n":1}' })).status).toBe(202);
    expect(first.received).toMatchObject([{ body: '{"n":1}', headers: { 'ce-id': '1' } }]);
    expect(second.received).toMatchObject([{ body: '{"n":2}', headers: { 'ce-id': '2' } }]);
    for (const name of ['authorization', 'x-other', 'ce-knativebrokerttl']) {
      expect(first.received[0]?.headers).not.toHaveProperty(name);
    }
  });

  test('closing waits for the answers under way', async () => {
    const { promise: slow, resolve: finish } = Promise.withResolvers<Answer>();
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
});
