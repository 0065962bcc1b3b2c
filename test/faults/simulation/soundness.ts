import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import type { Scene } from './scene.ts';

interface Checks {
  /** Violations of what must hold at any time. */
  always(): Promise<Violation[]>;
  /** Violations of what must hold once the shop is at rest; `mails` are the notifications whose mails were taken. */
  atRest(mails: string[]): Promise<Violation[]>;
}

/** Opens the checks of a scene's shop; each one also compares with the one before. */
export function openChecks({ statements, accepted, canceled, broken }: Scene): Checks {
  let earlier: unknown[] = [];
  const check = async () => {
    const given = { accepted: [...accepted], canceled: [...canceled], broken: [...broken], earlier };
    const found = await statements.ask<Violation>(invariants, parameters(given));
    const orders = await statements.ask<{ its: unknown }>('select to_jsonb(o) as its from ordering.orders o');
    earlier = orders.map(({ its }) => its);
    return found;
  };
  return {
    always: async () => (await check()).filter(({ holds }) => holds === 'always'),
    atRest: async (mails) => [...(await check()), ...(await statements.ask<Violation>(more, [mails]))],
  };
}

// Holds in a scenario because its customers have one currency and open accounts, and because no process is killed
// between sending a mail and marking it.
const more = `
  select 'a decline was right' as name, 'at rest' as holds, c.order_id::text as subject,
         format('%s of %s, the account had %s', c.reason, c.amount, stood.balance) as detail
    from billing.charges c
   cross join lateral (
     select coalesce((select t.balance_after::bigint
                        from billing.transfers t
                       where t.account_id = c.account_id
                         and t.created_at < c.decided_at
                       order by t.account_version desc
                       limit 1), 0) as balance
   ) as stood
   where c.outcome = 'declined'
     and c.reason <> 'order_canceled'
     and not (c.reason = 'insufficient_funds' and stood.balance < c.amount::bigint)
  union all
  select 'one mail for each notification', 'at rest', n.id::text, format('%s mails', count(mail.id))
    from notifying.notifications n
    left join unnest($1::uuid[]) as mail (id) on mail.id = n.id
   group by n.id
  having count(mail.id) <> 1`;

/** Deletes the rows of a scenario. */
export async function deleteRows({ statements }: Scene): Promise<void> {
  await statements.ask(`
    delete from billing.transfers;
    delete from billing.charges;
    delete from billing.deposits;
    delete from billing.accounts;
    delete from ordering.order_lines;
    delete from ordering.orders;
    delete from notifying.notifications;
    delete from events.outbox;
    delete from events.dead_letters;
    delete from users.users`);
}
