import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { connection, row, rows, useDatabase } from '#test/support/database.ts';
import { migrate } from './migrate.ts';

useDatabase();

const url = process.env['TEST_DATABASE_URL'] ?? '';

/** A folder with a copy of all migrations and one more. */
function withOneMore(name: string, text: string): string {
  const parent = mkdtempSync(path.join(tmpdir(), 'shop-migrations-'));
  writeFileSync(path.join(parent, 'package.json'), '{"type":"module"}');
  const dir = path.join(parent, 'migrations');
  mkdirSync(dir);
  for (const file of readdirSync('database/migrations')) {
    writeFileSync(path.join(dir, file), readFileSync(path.join('database/migrations', file)));
  }
  writeFileSync(path.join(dir, name), text);
  return dir;
}

// promise: migration-during-backup
test('a migration under load, while a backup is open, blocks no order for longer than half a second', async () => {
  const backup = await connection();
  await backup.query('begin; lock table ordering.orders in access share mode');
  const dir = withOneMore('9998_strong.sql', 'alter table ordering.orders add column note text;');
  const lines: string[] = [];
  let isDone = false;
  const migrating = migrate(url, { dir, report: (line) => lines.push(line) }).then(() => (isDone = true));
  const writer = await connection();
  let slowestMs = 0;
  for (const began = performance.now(); performance.now() - began < 2_000;) {
    const before = performance.now();
    await writer.query(
      `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
       values ($1, $1, $1::uuid::text, '', 1, 'usd')`,
      [uuidv7()],
    );
    slowestMs = Math.max(slowestMs, performance.now() - before);
  }
  expect(isDone).toBe(false);
  expect(slowestMs).toBeGreaterThan(100); // the insert did wait behind the migration
  expect(slowestMs).toBeLessThan(800);
  await backup.query('rollback');
  await migrating;
  expect(await row(`select count(*) as columns from information_schema.columns where column_name = 'note'`)).toEqual({
    columns: 1,
  });
  rmSync(path.dirname(dir), { recursive: true });
}, 60_000);

test('a migration that cannot get its lock fails after its timeout and leaves nothing behind', async () => {
  const backup = await connection();
  await backup.query('begin; lock table users.users in access share mode');
  const dir = withOneMore('9999_never.sql', 'alter table users.users add column never text;');
  await rows(`delete from public.migrations where name = '9998_strong'`);
  await expect(migrate(url, { dir, timeoutMs: 500 })).rejects.toThrow('lock timeout');
  await backup.query('rollback');
  rmSync(path.dirname(dir), { recursive: true });
}, 60_000);

test('several processes that migrate at once wait for each other', async () => {
  await expect(Promise.all([1, 2, 3].map(() => migrate(url)))).resolves.toHaveLength(3);
});

const migrations = readdirSync('database/migrations').filter((file) => file > '0009');

// promise: migration-during-backup
test.each(migrations)('%s blocks no order: it neither rewrites nor scans a table under a strong lock', (file) => {
  const text = readFileSync(path.join('database/migrations', file), 'utf8').replaceAll(/--.*|\/\/.*/g, '');
  const made = [...text.matchAll(/create table ([\w.]+)/g)].map(([, name]) => name);
  for (const [, table] of text.matchAll(/create (?:unique )?index (?!concurrently)\w+ on ([\w.]+)/g)) {
    expect(made).toContain(table);
  }
  expect(text).not.toMatch(
    /set not null|alter column \w+ (set data )?type|default (now|clock_timestamp|gen_random_uuid)\(/,
  );
  for (const [constraint] of text.matchAll(/add constraint [^;]+/g)) expect(constraint).toContain('not valid');
});
