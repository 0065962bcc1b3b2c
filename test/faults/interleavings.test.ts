import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import Mail from 'nodemailer/lib/mailer';
import { uuidv7 } from 'uuidv7';
import { userRegistered } from '#events/user-registered.ts';
import { insertUser } from '#functions/register-user/queries.ts';
import { functionNames } from '#local/functions.ts';
import { call, deliver } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import { beginChain } from '#platform/events/event.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import { publish, republishDue } from '#platform/events/outbox.ts';
import { virtualBroker } from './simulation/broker.ts';
import { takeStatements, type Sent, type Statements } from './simulation/statements.ts';
import { dependOnOrder, elsewhere, steps, stepsBefore } from './interleavings/steps.ts';
import type { Its, Process, Step, World } from './interleavings/steps.ts';
import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, secondsSince } from '#test/support/until.ts';

// Every two statements that touch the same order or the same account, on two connections: one is held open in its
// transaction while the other one runs, then committed or rolled back. Afterwards everything goes on to its end.

jest.setTimeout(600_000);

useDatabase();

interface FunctionModule {
  handle: (context: Context) => Promise<Answer>;
}

interface Case {
  first: Step;
  second: Step;
  end: 'commit' | 'rollback';
  /** Whether both concern the same order; otherwise two orders of one customer. */
  isSameOrder: boolean;
  isCanceledEarly: boolean;
  /** Whether the account can pay the order; or, of two orders, either but not both. */
  money: 'enough' | 'for one' | 'too little';
}

const muchMoney = 500_000;

let statements: Statements;
let userId: string;
const broker = virtualBroker();
const rooms = new Map<string, FunctionModule['handle']>();
const world: World = {
  room: (name, process) => {
    const handle = rooms.get(`${name} ${process}`);
    if (!handle) throw new Error(`there is no function ${name}`);
    return handle;
  },
  published: (id) => broker.history.findLast((event) => event.id === id),
  ask: (sql, values) => statements.ask(sql, values),
};

const { sendMail } = Mail.prototype;
beforeAll(async () => {
  statements = await takeStatements();
  Mail.prototype.sendMail = async () => undefined;
  connectBroker(async (event) => broker.take(event));
  for (const name of functionNames.filter((one) => one !== 'storefront')) {
    for (const process of ['first', 'second']) {
      const { handle } = (await import(`#functions/${name}/index.ts?${process}`)) as FunctionModule;
      rooms.set(`${name} ${process}`, handle);
    }
  }
  userId = await somebodyRich();
});
afterAll(() => {
  statements.release();
  Mail.prototype.sendMail = sendMail;
});

test('every statement that writes is in the table, or it is said why it is not', () => {
  const files = ['platform/events/outbox.ts', ...functionNames.map((name) => `functions/${name}/queries.ts`)];
  const known = new Set([...steps.map(({ statement }) => statement), ...elsewhere]);
  const writing = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/statement<[^(]*\(\s*'([^']+)',\s*`([^`]*)`/g)].flatMap(([, name, text]) =>
      /\b(insert into|update [a-z]+\.|delete from)\b/.test(text ?? '') ? [name] : [],
    ),
  );
  expect(writing.length).toBeGreaterThan(15);
  expect(writing.filter((name) => !known.has(name ?? ''))).toEqual([]);
  expect([...known].filter((name) => !writing.includes(name))).toEqual([]);
});

// promise: whatever-step-comes-while
test.each(steps)('while "$name" holds $statement open, any other step may come', async (first) => {
  const began = Date.now();
  const done = { played: 0, waited: 0, orders: 0 };
  const never: string[] = [];
  for (const second of steps) {
    const before = done.played;
    const told = new Map<string, string>();
    const earlier: unknown[] = [];
    const accepted: Its[] = [];
    for (const one of casesOf(first, second)) {
      const played = await play(one, earlier).catch((cause: Error) => {
        throw new Error(`${describe(one)}:\n${cause.message}`, { cause });
      });
      if (!played) continue;
      done.played += 1;
      if (played.waited) done.waited += 1;
      for (const its of played.orders) told.set(its.orderId ?? '', describe(one));
      accepted.push(...played.orders);
    }
    await expectInvariants(accepted, earlier, told);
    done.orders += accepted.length;
    if (done.played === before) never.push(second.name);
  }
  expect(never).toEqual([]);
  record({
    fault: `${first.statement} held open beside every other statement`,
    count: done.played,
    orders: done.orders,
  });
  report(`${first.name}: ${done.played} cases, in ${done.waited} the other one had to wait, ${secondsSince(began)}`);
});

function casesOf(first: Step, second: Step): Case[] {
  const yesAndNo = [true, false];
  // the short form leaves out what meets no row of the other one
  const meet = sized(0, 1) === 1 || (first.isOfAccount && second.isOfAccount);
  const moneys = (isSameOrder: boolean): Case['money'][] =>
    isSameOrder ? ['enough', 'too little'] : ['for one', 'enough', 'too little'];
  return (meet ? yesAndNo : [true]).flatMap((isSameOrder) =>
    moneys(isSameOrder)
      .slice(0, sized(1, 3))
      .flatMap((money) =>
        ((isSameOrder ? [[first, second]] : [[first], [second]]).some(dependOnOrder) ? yesAndNo : [false]).flatMap(
          (isCanceledEarly) =>
            (['commit', 'rollback'] as const).map((end) => ({
              first,
              second,
              end,
              isSameOrder,
              isCanceledEarly,
              money,
            })),
        ),
      ),
  );
}

const describe = ({ first, second, end, isSameOrder, isCanceledEarly, money }: Case) =>
  [
    `"${first.name}" is held open, "${second.name}" comes`,
    isSameOrder ? 'for the same order' : 'for another order of the same account',
    isCanceledEarly ? 'canceled before the charge' : 'charged before a cancel',
    `money ${money}`,
    end,
  ].join(', ');

/** Plays a case to its end; undefined if it cannot happen: there is no such event, or no such statement. */
async function play(one: Case, earlier: unknown[]): Promise<{ waited: boolean; orders: Its[] } | undefined> {
  const { first, second, isSameOrder, isCanceledEarly, end } = one;
  const total = await priceFor(one);
  const its = newOrder(total);
  const other = isSameOrder ? its : newOrder(total);
  const isPossible = isSameOrder
    ? await go(its, stepsBefore([first, second], isCanceledEarly))
    : (await go(its, stepsBefore([first], isCanceledEarly))) &&
      (await go(other, stepsBefore([second], isCanceledEarly)));
  const orders = [...new Set([its, other])];
  if (!isPossible) {
    await finish();
    return undefined;
  }
  await first.prepare?.(its, world);
  await second.prepare?.(other, world);
  earlier.push(...(await seen(orders)));

  const held = await begin(first, its, 'first');
  const passing = held && (await begin(second, other, 'second'));
  const waited = held && passing ? await statements.overlap(held.sent, passing.sent, end) : false;
  if (held && !passing) await statements.carryOut(held.sent);
  for (const [started, step, whose] of [
    [held, first, its],
    [passing, second, other],
  ] as const) {
    if (!started) continue;
    // who has no answer, or 503, asks again; what was an event is published again by its outbox row
    const status = await ended(started.done);
    if (status === 503 && ['place', 'deposit', 'cancel'].includes(step.name)) {
      expect(await ended(step.act(whose, world, 'first'))).toBeLessThan(500);
    }
  }
  const placed = orders.filter(({ orderId }) => orderId);
  await finish();
  await expectOutcomes(placed, one);
  return held && passing ? { waited, orders: placed } : undefined;
}

const newOrder = (total: number): Its => ({ userId, key: uuidv7(), depositKey: uuidv7(), total, facts: {} });

async function priceFor({ money }: Case): Promise<number> {
  if (money === 'enough') return 2;
  if ((await balance()) < muchMoney / 2) await depositMuch();
  const now = await balance();
  // more than the deposit of a step makes up for
  return money === 'for one' ? Math.floor(now / 2) + 10 : now + 10;
}

async function balance(): Promise<number> {
  const found = await statements.ask<{ balance: number }>(
    'select balance::bigint from billing.accounts where user_id = $1',
    [userId],
  );
  return found[0]?.balance ?? NaN;
}

/** Does steps one after the other; false if one of them cannot be done. */
async function go(its: Its, before: Step[]): Promise<boolean> {
  for (const step of before) {
    const acting = step.act(its, world, 'first');
    if (acting === undefined) return false;
    await ended(acting);
  }
  return true;
}

interface Started {
  sent: Sent;
  done: Promise<number>;
}

/** Begins a step and stops it at its statement, which is not carried out yet; undefined if it does not come to that. */
async function begin(step: Step, its: Its, process: Process): Promise<Started | undefined> {
  const acting = step.act(its, world, process);
  if (acting === undefined) return undefined;
  const { sent } = statements;
  let isDone = false;
  const done = acting.catch(() => 503).finally(() => (isDone = true));
  for (;;) {
    const one = sent.shift();
    if (one?.name === step.statement) return { sent: one, done };
    if (one) await statements.carryOut(one);
    else if (isDone) return undefined;
    else await setImmediate();
  }
}

/** Carries everything out until something has ended. */
async function ended(acting: Promise<number> | undefined): Promise<number> {
  if (acting === undefined) throw new Error('it cannot be done');
  let status: number | undefined;
  acting.then(
    (answered) => (status = answered),
    () => (status = 503),
  );
  while (status === undefined) {
    const one = statements.sent.shift();
    if (one) await statements.carryOut(one);
    else await setImmediate();
  }
  return status;
}

/** Everything goes on to its end: what is parked is replayed, what is in the outbox is published until it is empty. */
async function finish(): Promise<void> {
  for (let round = 0; ; round += 1) {
    while (broker.parcels.length > 0) {
      const parcel = broker.parcels.shift() as (typeof broker.parcels)[number];
      const delivering = deliver(world.room(parcel.to, 'first'), parcel.event);
      await ended(delivering.then(({ status }) => status));
      broker.goOn(parcel, await delivering);
    }
    const [left] = await statements.ask<{ chains: number; parked: number }>(
      `select (select count(*) from events.outbox) as chains,
              (select count(*) from events.dead_letters where replayed_at is null or last_parked_at > replayed_at) as parked`,
    );
    if (left?.chains === 0 && left.parked === 0) break;
    if (round > 20) throw new Error(`It does not come to rest: ${JSON.stringify(left)}`);
    if ((left?.parked ?? 0) > 0) {
      const replay = { action: 'replay-all', rate: 100 };
      const replaying = call(world.room('replay-events', 'first'), replay, { userId, role: 'admin' });
      expect(await ended(replaying.then(({ status }) => status))).toBe(202);
    }
    await statements.ask(
      `update events.outbox set due_at = clock_timestamp() - interval '3 seconds', created_at = clock_timestamp()`,
    );
    await ended(republishDue());
  }
}

/** Each order has ended as it must. */
async function expectOutcomes(orders: Its[], { money }: Case): Promise<void> {
  const found = await statements.ask<{ id: string; status: string }>(
    'select id, status from ordering.orders where id = any ($1::uuid[])',
    [orders.map(({ orderId }) => orderId)],
  );
  const statuses = orders.map(({ orderId }) => found.find(({ id }) => id === orderId)?.status);
  orders.forEach(({ cancelStatus }, index) => {
    const isUndone = ['canceled', 'refunded'].includes(statuses[index] ?? '');
    expect({ status: statuses[index], isUndone }).toEqual({ status: statuses[index], isUndone: cancelStatus === 202 });
  });
  if (orders.some(({ cancelStatus }) => cancelStatus === 202)) return;
  const paid = { enough: orders.length, 'for one': 1, 'too little': 0 }[money];
  const decided = orders.map((_, index) => (index < paid ? 'paid' : 'rejected'));
  expect(statuses.toSorted()).toEqual(decided);
}

const seen = async (orders: Its[]) => {
  const found = await statements.ask<{ its: unknown }>(
    'select to_jsonb(o) as its from ordering.orders o where id = any ($1::uuid[])',
    [orders.map(({ orderId }) => orderId)],
  );
  return found.map(({ its }) => its);
};

async function expectInvariants(orders: Its[], earlier: unknown[], told: Map<string, string>): Promise<void> {
  const parked = await statements.ask<{ id: string }>('select event_id as id from events.dead_letters');
  const found = await statements.ask<Violation>(
    invariants,
    parameters({
      accepted: orders.map(({ orderId }) => orderId ?? ''),
      canceled: orders.flatMap(({ orderId = '', cancelStatus }) => (cancelStatus === 202 ? orderId : [])),
      broken: parked.map(({ id }) => id),
      earlier,
    }),
  );
  const wrong = found.map(({ name, subject, detail }) => {
    const orderId = [...told.keys()].find((id) => subject.includes(id));
    return `${name}: ${subject} – ${detail} (${told.get(orderId ?? '') ?? 'no order of this step'})`;
  });
  expect(wrong).toEqual([]);
}

/** Somebody with an account and money on it, all of it come about as it does in the shop. */
async function somebodyRich(): Promise<string> {
  const id = uuidv7();
  const event = beginChain(userRegistered.create({ userId: id }));
  const user = { id, email: `${id}@example.com`, name: 'Ann', passwordHash: '$argon2id$none' };
  await ended(insertUser(user, event).then(() => 201));
  await publish(event);
  userId = id;
  await finish();
  await depositMuch();
  return id;
}

async function depositMuch(): Promise<void> {
  const money = { amount: muchMoney, currency: 'usd' };
  await ended(call(world.room('deposit-money', 'first'), money, { userId }).then(({ status }) => status));
  await finish();
}
