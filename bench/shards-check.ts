import { checkInvariants } from './invariants.ts';
import { discardQueuedMails } from './orders.ts';
import type { Shard } from './shards-servers.ts';

// $1: the customers of the shard
const strays = `
  with own as (
    select unnest($1::uuid[]) as id
  )
  select 'a user' as what, id::text as subject
    from users.users where role = 'customer' and id not in (select id from own)
  union all
  select 'an account', id::text from billing.accounts where user_id not in (select id from own)
  union all
  select 'a deposit', id::text from billing.deposits where user_id not in (select id from own)
  union all
  select 'an order', id::text from ordering.orders where user_id not in (select id from own)
  union all
  select 'a charge', order_id::text from billing.charges c
   where user_id not in (select id from own)
      or not exists (select from ordering.orders o where o.id = c.order_id and o.user_id = c.user_id)
  union all
  select 'a notification', id::text from notifying.notifications n
   where user_id not in (select id from own)
      or (order_id is not null
          and not exists (select from ordering.orders o where o.id = n.order_id and o.user_id = n.user_id))
  union all
  select 'an open chain', id from events.outbox where (event ->> 'partitionkey')::uuid not in (select id from own)
  union all
  select 'a dead letter', id::text from events.dead_letters`;

/**
 * Checks, once nothing is in flight, that the invariants of the shop hold on each shard alone, that each accepted order
 * is on one shard, and that a shard has rows of its own customers only. Lines and transfers need no check: their foreign
 * keys tie them to orders and accounts of their shard.
 */
export async function checkShards(shards: Shard[], accepted: string[]): Promise<void> {
  let found = 0;
  for (const [index, shard] of shards.entries()) {
    const crossed = await shard.sql<{ what: string; subject: string }>(`${strays} limit 10`, [shard.customers]);
    const [stray] = crossed;
    if (stray) throw new Error(`shard ${index + 1} holds ${stray.what} of another shard: ${stray.subject}`);
    const rows = await shard.sql<{ id: string }>('select id from ordering.orders where id = any ($1::uuid[])', [
      accepted,
    ]);
    await discardQueuedMails(shard);
    await checkInvariants(
      shard,
      rows.map(({ id }) => id),
    );
    found += rows.length;
  }
  if (found !== accepted.length) throw new Error(`${accepted.length} orders were accepted, the shards hold ${found}`);
}
