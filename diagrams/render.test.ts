import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Trigger } from '#events/topology/manifests.ts';
import { connection, useDatabase } from '#test/support/database.ts';
import { databaseSource, readTables } from './database.ts';
import { flowSource } from './flow.ts';
import { hopsOf, readTopology } from '#events/topology/topology.ts';
import { sequenceSource } from './sequence.ts';
import { statesSource } from './states.ts';

useDatabase();

const { triggers, contracts } = await readTopology();

const sequenceOf = (some: Trigger[]) => sequenceSource(hopsOf(contracts, some));
const flowOf = (some: Trigger[]) => flowSource({ hops: hopsOf(contracts, some), deadLetterSinks: [], functions: [] });

test('draws every Trigger as an arrow in the sequence and in the flow', () => {
  for (const { event, producer, subscribers } of hopsOf(contracts, triggers)) {
    for (const subscriber of subscribers) {
      expect(sequenceOf(triggers)).toContain(`broker -> ${subscriber}: "${event}"`);
      expect(flowOf(triggers)).toContain(`${producer} -> ${subscriber}: "${event}"`);
    }
  }
});

test('draws a Trigger that is added', () => {
  const [first] = triggers as [Trigger];
  const added = { ...first, name: 'added', subscriber: 'count-orders', filter: { type: 'shop.order.placed.v1' } };
  expect(sequenceOf([...triggers, added])).toContain('broker -> count-orders: "order.placed"');
  expect(flowOf([...triggers, added])).toContain('create-order -> count-orders: "order.placed"');
});

test('omits a Trigger that is removed, with the chain that followed from it', () => {
  const fewer = triggers.filter(({ name }) => name !== 'create-account');
  expect(triggers).toHaveLength(fewer.length + 1);
  expect(sequenceOf(fewer)).not.toContain('broker -> create-account');
  expect(flowOf(fewer)).not.toContain('register-user -> create-account');
});

test('draws an affordable order as charged and confirmed, and any other order as rejected', () => {
  const lines = sequenceOf(triggers).split('\n');
  const group = (title: string) => {
    const from = lines.findIndex((line) => line.includes(title));
    const to = lines.indexOf('  }', from);
    return lines.slice(from, to).flatMap((line) => /^ +(\S+ -> \S+: "[^"]+")/.exec(line)?.[1] ?? []);
  };
  expect(group('if charge.succeeded')).toEqual([
    'charge-account -> broker: "charge.succeeded"',
    'broker -> settle-order: "charge.succeeded"',
    'settle-order -> broker: "order.paid"',
    'broker -> send-notification: "order.paid"',
    'send-notification -> mail: "confirmation"',
  ]);
  expect(group('if charge.declined')).toContain('settle-order -> broker: "order.rejected"');
});

test('throws for an event without a defined cause, instead of guessing one', () => {
  const hops = hopsOf(contracts, triggers);
  const shipped = { event: 'order.shipped', producer: 'settle-order', subscribers: ['send-notification'] };
  expect(() => sequenceSource([...hops, shipped])).toThrow('add to follows which of them order.shipped follows from');
});

test('draws the states that the database allows, each reached by an event of a Trigger', async () => {
  const client = await connection();
  const { rows } = await client.query<{ allowed: string }>(
    `select pg_get_constraintdef(oid) as allowed from pg_constraint where conname = 'orders_status_check'`,
  );
  const allowed = [...(rows[0]?.allowed ?? '').matchAll(/'(\w+)'/g)].map(([, state]) => String(state));
  const drawn = statesSource(hopsOf(contracts, triggers)).split('\n');
  const states = drawn.flatMap((line) => /^(\w+): "\1"/.exec(line)?.[1] ?? []);
  expect(states.toSorted()).toEqual(allowed.toSorted());
  expect(drawn).toContain('paid -> canceling: "order.cancel_requested" {class: event}');
  const fewer = contracts.filter(({ type }) => type !== 'shop.charge.voided.v1');
  expect(() => statesSource(hopsOf(fewer, triggers))).toThrow('no function produces charge.voided');
});

test('draws the tables of the database with their keys and references', async () => {
  const client = await connection();
  const before = databaseSource(await readTables(client));
  expect(before).toContain('"deposits"."account_id" -> "accounts"."id"');
  expect(before).toContain('"user_id": "uuid → users" {constraint: ["UK"]}');
  await client.query('create table billing.vouchers (code text primary key, order_id uuid, label text, width text)');
  expect(databaseSource(await readTables(client))).toContain('"order_id": "uuid null → ordering.orders"');
});

test('finds the committed pictures up to date', async () => {
  expect(await check()).toEqual({ code: 0, stderr: '' });
}, 60_000);

test('names a stale picture and exits with 1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shop-diagrams-'));
  try {
    await cp(import.meta.dirname, folder, { recursive: true });
    await writeFile(join(folder, 'flow.d2'), 'yesterday');
    const { code, stderr } = await check('--folder', folder);
    expect(code).toBe(1);
    expect(stderr).toContain('diagrams/flow.d2 is stale: run npm run diagrams');
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);

/** Runs `npm run diagrams -- --check`. */
const check = (...more: string[]): Promise<{ code: unknown; stderr: string }> =>
  new Promise((resolve) => {
    const args = [join(import.meta.dirname, 'render.ts'), '--check', ...more];
    const env = { ...process.env, DATABASE_URL: process.env['TEST_POSTGRES_URL'] };
    execFile(process.execPath, args, { env }, (error, _stdout, stderr) => resolve({ code: error?.code ?? 0, stderr }));
  });
