import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdirSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context } from '#test/support/context.ts';
import { readTopology } from '#events/topology/topology.ts';
import { createStorefront } from '../index.ts';

let shop: HttpServer;
let url: string;
beforeAll(async () => {
  shop = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(shop.server.address() as AddressInfo).port}`;
});
afterAll(() => shop.stop());

const folder = fileURLToPath(new URL('../../../web', import.meta.url));
const files = readdirSync(folder).filter((name) => !name.endsWith('.d.ts'));

// promise: page-offline
test('allows the page its own files only: no inline script or style, no other host, no form target', async () => {
  const response = await fetch(url);
  expect(response.headers.get('content-type')).toContain('text/html');
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy.split(';')).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]),
  );
  expect(policy).not.toMatch(/unsafe|https:|\*/);
  const html = await response.text();
  expect(html).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*src=)|https?:/);
});

test('serves every file of the page under its type, and names all modules for preloading', async () => {
  const html = await (await fetch(url)).text();
  const named = [...html.matchAll(/(?:href|src)="(\/page\/[^"]+)"/g)].map(([, path]) => path ?? '');
  const types: Record<string, string> = { js: 'javascript', css: 'text/css', svg: 'image/svg+xml' };
  for (const path of named) {
    const response = await fetch(url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain(types[path.split('.').at(-1) ?? '']);
  }
  const inFolder = files.filter((name) => name !== 'index.html').map((name) => `/page/${name}`);
  expect(named.toSorted()).toEqual([...inFolder, '/page/lib/lit-html.js', '/page/topology.js'].toSorted());
});

// promise: page-offline
test('serves a page of less than 500 KB with everything that it loads', async () => {
  const litHtml = await (await fetch(`${url}/page/lib/lit-html.js`)).text();
  const own = files.map((name) => statSync(`${folder}/${name}`).size);
  const bytes = own.reduce((sum, size) => sum + size, litHtml.length);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(500_000);
});

test('serves no other file', async () => {
  const missing = ['/page', '/page/', '/page/none.js', '/page/..%2findex.ts', '/page/lib/', '/index.html'];
  const statuses = await Promise.all(missing.map(async (path) => (await fetch(url + path)).status));
  expect(statuses).toEqual(missing.map(() => 404));
  const posted = await fetch(url, { method: 'POST' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET']);
});

test('serves the page the functions that each event is delivered to by its Triggers', async () => {
  const text = await (await fetch(`${url}/page/topology.js`)).text();
  const { consumers } = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as { consumers: object };
  const { hops } = await readTopology();
  expect(hops.length).toBeGreaterThan(10);
  expect(consumers).toEqual(Object.fromEntries(hops.map(({ contract, subscribers }) => [contract.type, subscribers])));
});
