import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { row, useDatabase } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { handle as createOrder } from '#functions/create-order/index.ts';
import { handle as depositMoney } from '#functions/deposit-money/index.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { context, started, useBroker, useFunctions } from '#test/support/context.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { record } from '#test/support/sizes.ts';

// HTTP as no library sends it, over a plain socket. A message that two servers could parse in two ways (RFC 9112, sections
// 6.3 and 11.2) must be refused, so that the body of a request cannot smuggle in a second one.

useDatabase();

let storefront: HttpServer;
let port: number;
let authorization: string;
beforeAll(async () => {
  const handles = new Map([
    ['create-order', createOrder],
    ['deposit-money', depositMoney],
  ]);
  useFunctions((name, request) => started(handles.get(name) ?? createOrder)({ method: 'POST', ...request }));
  useBroker(async () => undefined);
  storefront = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  ({ port } = storefront.server.address() as AddressInfo);
  ({ authorization } = await bearer((await customer({ balance: 1_000 })).userId));
});
afterAll(() => storefront.stop());

/** Sends these bytes and returns everything received until the server closes the connection. */
async function exchange(bytes: string, { hangUp = false } = {}): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.on('error', () => undefined);
  socket.setTimeout(5_000, () => socket.destroy());
  socket.write(bytes, 'latin1');
  if (hangUp) socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  return received;
}

const statuses = (received: string) =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

const deposit = JSON.stringify({ amount: 100, currency: 'usd' });
/** A complete request that would move money, to be smuggled in another one. */
const hidden = () => request([], deposit);

function request(more: string[], body: string, { end = '\r\n', length = true } = {}): string {
  const head = [
    'POST /v1/accounts/me/deposits HTTP/1.1',
    'Host: shop',
    'Connection: close',
    'Content-Type: application/json',
    `Authorization: ${authorization}`,
    `Idempotency-Key: ${uuidv7()}`,
    ...(length ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
    ...more,
  ];
  return `${head.join(end)}${end}${end}${body}`;
}

const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const moved = async () =>
  (await row<{ deposits: number }>('select count(*) as deposits from billing.deposits')).deposits;

test('a well-formed request is executed, also in chunks', async () => {
  const before = await moved();
  expect(statuses(await exchange(request([], deposit)))).toEqual([201]);
  const inChunks = request(['Transfer-Encoding: chunked'], chunked(deposit), { length: false });
  expect(statuses(await exchange(inChunks))).toEqual([201]);
  expect(await moved()).toBe(before + 2);
});

const noLength = { length: false };
const ambiguous: Record<string, () => string> = {
  'a length and chunks': () => request(['Transfer-Encoding: chunked'], `0\r\n\r\n${hidden()}`),
  'chunks and a length': () => request(['Transfer-Encoding: chunked', 'Content-Length: 5'], chunked(deposit), noLength),
  'two lengths': () => request(['Content-Length: 0'], deposit + hidden()),
  'the same length twice': () => request([`Content-Length: ${deposit.length}`], deposit),
  'a list of lengths': () => request(['Content-Length: 31, 31'], deposit, noLength),
  'a negative length': () => request(['Content-Length: -1'], deposit, noLength),
  'a length with a sign': () => request([`Content-Length: +${deposit.length}`], deposit, noLength),
  'a hexadecimal length': () => request(['Content-Length: 0x1f'], deposit, noLength),
  'a length that overflows': () => request(['Content-Length: 99999999999999999999'], deposit, noLength),
  'chunks that are not the last encoding': () =>
    request(['Transfer-Encoding: chunked, gzip'], chunked(deposit), noLength),
  'an unknown encoding': () => request(['Transfer-Encoding: xchunked'], chunked(deposit), noLength),
  'a header name with a trailing blank': () => request(['Transfer-Encoding : chunked'], chunked(deposit), noLength),
  'chunks in a folded header': () => request(['X-Filler: a', ' Transfer-Encoding: chunked'], deposit),
  'two encodings': () =>
    request(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], chunked(deposit), noLength),
  'a chunk that is longer than its size': () =>
    request(['Transfer-Encoding: chunked'], `3\r\n${deposit}\r\n0\r\n\r\n`, noLength),
  'a chunk size that overflows': () =>
    request(['Transfer-Encoding: chunked'], `fffffffffffffffff\r\n${deposit}`, noLength),
  'a chunk size with a sign': () => request(['Transfer-Encoding: chunked'], `+1f\r\n${deposit}\r\n0\r\n\r\n`, noLength),
  'a chunk that ends with a line feed only': () =>
    request(['Transfer-Encoding: chunked'], `1f\n${deposit}\n0\n\n`, noLength),
  'lines that end with a line feed only': () => request([], deposit, { end: '\n' }),
  'lines that end with a carriage return only': () => request([], deposit, { end: '\r' }),
  'a header with a carriage return in it': () => request(['X-Filler: a\rTransfer-Encoding: chunked'], deposit),
  'a header with a NUL in it': () => request(['X-Filler: a\0b'], deposit),
  'a header without a colon': () => request(['Transfer-Encoding chunked'], deposit),
  'a header without a name': () => request([': chunked'], deposit),
  'headers of 20 KB': () => request([`X-Filler: ${'x'.repeat(20_000)}`], deposit),
  'no host': () => request([], deposit).replace('Host: shop\r\n', ''),
  'another version': () => request([], deposit).replace('HTTP/1.1', 'HTTP/9.9'),
  'a method in lower case': () => request([], deposit).replace('POST', 'post'),
  'a path with a blank': () => request([], deposit).replace('/me/', '/m e/'),
};

describe('an ambiguous request is refused and nothing behind it is read', () => {
  test.each(Object.entries(ambiguous))('%s', async (_what, bytes) => {
    const before = await moved();
    const [status = 0, ...others] = statuses(await exchange(bytes()));
    expect({ status, others }).toEqual({ status: expect.any(Number), others: [] });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(await moved()).toBe(before);
    record({ fault: 'ambiguous request', count: 1, orders: 0 });
  });
});

test('3,000 headers are refused', async () => {
  const before = await moved();
  const many = Array.from({ length: 3_000 }, (_, index) => `X${index}: a`);
  expect(statuses(await exchange(request(many, deposit)))).toEqual([431]);
  expect(await moved()).toBe(before);
});

test('a request that is cut off is not executed', async () => {
  const before = await moved();
  expect(statuses(await exchange(request([], deposit).slice(0, -5), { hangUp: true }))).not.toContain(201);
  expect(await moved()).toBe(before);
});
