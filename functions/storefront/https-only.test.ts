import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { useDatabase } from '#local/testing/database.ts';
import { connectFunctions } from '#platform/function-client.ts';
import { serveHttp, type HttpServer } from '#platform/http-server.ts';

useDatabase();

let door: HttpServer;
beforeAll(async () => {
  Object.assign(process.env, { HTTPS_ONLY: 'true', CLIENT_ADDRESS_HEADER: 'x-client' });
  const { createStorefront } = await import('./index.ts');
  door = await serveHttp(createStorefront(), { port: 0, host: '127.0.0.1' });
  connectFunctions(async () => ({ statusCode: 201, headers: {}, body: {} }));
});
afterAll(() => door.stop());

async function statusOf(path: string, headers: Record<string, string>): Promise<number> {
  const { port } = door.server.address() as AddressInfo;
  const body = JSON.stringify({ email: 'ann@example.com', password: 'correct horse', name: 'Ann' });
  const all = { 'content-type': 'application/json', ...headers };
  return (await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers: all, body })).status;
}

test.each(['/v1/users', '/v1/sessions'])('%s takes no password in clear, but from the machine itself', async (path) => {
  expect(await statusOf(path, { 'x-client': '192.0.2.1' })).toBe(403);
  expect(await statusOf(path, { 'x-client': '192.0.2.1', 'x-forwarded-proto': 'http' })).toBe(403);
  expect(await statusOf(path, { 'x-client': '2001:db8::1', 'x-forwarded-proto': 'http' })).toBe(403);
  expect(await statusOf(path, { 'x-client': '192.0.2.1', 'x-forwarded-proto': 'https' })).toBe(201);
  for (const machine of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
    expect(await statusOf(path, { 'x-client': machine, 'x-forwarded-proto': 'http' })).toBe(201);
});
