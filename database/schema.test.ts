import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { connection, useDatabase } from '#test/support/database.ts';
import { dumpSchema, schemaFile } from './dump-schema.ts';
import { withEmptyDatabase } from './scratch.ts';

useDatabase();

const server = process.env['TEST_POSTGRES_URL'];

/** The dump of an empty database after these statements. */
const dumpOf = (sql: string): Promise<string> =>
  withEmptyDatabase(async (client) => {
    await client.query(sql);
    return dumpSchema(client);
  }, server);

test('schema.sql is the schema that the migrations make', async () => {
  expect(await readFile(schemaFile, 'utf8')).toBe(await dumpSchema(await connection()));
});

test('schema.sql, restored into an empty database, makes the same schema', async () => {
  const committed = await readFile(schemaFile, 'utf8');
  expect(await dumpOf(committed)).toBe(committed);
});

test('features that the migrations do not use yet are dumped and restored, too', async () => {
  const dump = await dumpOf(`
    create schema "Odd Names";
    create domain "Odd Names".code as text collate "C" default 'it''s' not null check (value <> 'DROP "x"');
    create table "Odd Names".a (
      id bigint primary key,
      up bigint references "Odd Names".a deferrable initially deferred,
      twice bigint generated always as (id * 2) virtual,
      long_text text storage external,
      c "Odd Names".code,
      exclude (id with =)
    ) with (fillfactor = 50, toast.autovacuum_enabled = false);
    create unlogged table "Odd Names".aa (a bigint references "Odd Names".a);
    comment on column "Odd Names".a.id is 'It''s a NUMBER';
    comment on schema "Odd Names" is 'Odd';
    comment on domain "Odd Names".code is 'Code';
    comment on constraint code_check on domain "Odd Names".code is 'No';
    comment on constraint a_pkey on "Odd Names".a is 'Key';
    grant usage on schema "Odd Names" to pg_monitor;
    grant select, insert on "Odd Names".a to pg_monitor;
    grant update (up) on "Odd Names".a to pg_monitor with grant option;
    grant select on "Odd Names".aa to public`);
  expect(await dumpOf(dump)).toBe(dump);
  expect(dump).toContain(`comment on constraint code_check on domain "Odd Names".code is 'No';`);
  expect(dump).toContain(`grant update (up) on table "Odd Names".a to pg_monitor with grant option;`);
  expect(dump).toContain(`check (value <> 'DROP "x"'::text)`);
});

test.each([
  ['view s.v', 'create view s.v as select 1 as one'],
  ['function s.f()', 'create function s.f() returns int language sql return 1'],
  ['sequence s.t_id_seq', 'create table s.t (id int generated always as identity)'],
  ['type s.e', `create type s.e as enum ('a')`],
  [
    'trigger tr on table s.t',
    'create table s.t (); create trigger tr before update on s.t for each row execute function suppress_redundant_updates_trigger()',
  ],
  ['policy p on table s.t', 'create table s.t (); create policy p on s.t'],
  ['table s.t', 'create table s.t (a int) partition by list (a)'],
  ['table public.t', 'create table t ()'],
])('the dump rejects a %s instead of leaving it out', async (what, sql) => {
  await expect(dumpOf(`create schema s; ${sql}`)).rejects.toThrow(`cannot write yet: ${what}`);
});
