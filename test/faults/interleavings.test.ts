import { globSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { beforeAll, expect, jest, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { userRegistered } from '#events/user-registered.ts';
import { insertUser } from '#functions/register-user/queries.ts';
import { functionNames } from '#local/functions.ts';
import { callStarted, deliverTo } from '#test/support/calls.ts';
import { useBroker } from '#test/support/context.ts';
import { startProcess, type SimulatedProcess } from '#test/support/simulated-process.ts';
import { useDatabase } from '#test/support/database.ts';
import { beginChain } from '#platform/events/event.ts';
import { virtualBroker } from './simulation/broker.ts';
import { takeStatements, type Sent, type Statements } from './simulation/statements.ts';
import { dependOnOrder, elsewhere, steps, stepsBefore } from './interleavings/steps.ts';
import type { Its, Process, Step, World } from './interleavings/steps.ts';
import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, secondsSince } from '#test/support/until.ts';

// Every pair of statements that touch the same order or the same account, on two connections: one is held open in its
// transaction while the other one runs, then committed or rolled back. Afterwards everything is completed.

jest.setTimeout(600_000);

useDatabase();

interface Case {
  first: Step;
  second: Step;
  end: 'commit' | 'rollback';
  /** Whether both act on the same order; otherwise on two orders of one customer. */
  isSameOrder: boolean;
  isCanceledEarly: boolean;
  /** Whether the account can pay the order, or, of two orders, only one. */
  money: 'enough' | 'for one' | 'too little';
}

const largeDeposit = 500_000;

let statements: Statements;
let userId: string;
const broker = virtualBroker();
const processes = {} as Record<Process, SimulatedProcess>;
const world: World = {
  functionOf: (name, process) => processes[process].functionOf(name),
  outboxOf: (process) => processes[process].context.outbox,
  published: (id) => broker.history.findLast((event) => event.id === id),
  ask: (sql, values) => statements.ask(sql, values),
};

beforeAll(async () => {
  statements = await takeStatements();
  useBroker(async (event) => broker.accept(event));
  const names = functionNames.filter((one) => one !== 'storefront');
  processes.first = await startProcess(names, statements.database);
  processes.second = await startProcess(names, statements.database);
  userId = await newCustomer();
});

test('lists every statement that writes, in the table or among the exceptions', () => {
  const files = globSync('{functions,platform}/**/*.ts', { exclude: ['**/*.test.ts'] });
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

// promise: interleavings
test.each(steps)('"$name" holds $statement open while every other step runs', async (first) => {
  const began = Date.now();
  const done = { played: 0, waited: 0, orders: 0 };
  const never: string[] = [];
  for (const second of steps) {
    const before = done.played;
    const descriptions = new Map<string, string>();
    const earlier: unknown[] = [];
    const accepted: Its[] = [];
    for (const one of casesOf(first, second)) {
      const played = await play(one, earlier).catch((cause: Error) => {
        throw new Error(`${describe(one)}:\n${cause.message}`, { cause });
      });
      if (!played) continue;
      done.played += 1;
      if (played.waited) done.waited += 1;
      for (const its of played.orders) descriptions.set(its.orderId ?? '', describe(one));
      accepted.push(...played.orders);
    }
    await expectInvariants(accepted, earlier, descriptions);
    done.orders += accepted.length;
    if (done.played === before) never.push(second.name);
  }
  expect(never).toEqual([]);
  record({
    fault: `${first.statement} held open alongside every other statement`,
    count: done.played,
    orders: done.orders,
  });
  report(`${first.name}: ${done.played} cases, ${done.waited} with a wait for its lock, ${secondsSince(began)}`);
});

function casesOf(first: Step, second: Step): Case[] {
  const yesAndNo = [true, false];
  // the short form leaves out pairs that share no row
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
    `"${first.name}" is held open, "${second.name}" runs`,
    isSameOrder ? 'for the same order' : 'for another order of the same account',
    isCanceledEarly ? 'canceled before the charge' : 'charged before a cancel',
    `money ${money}`,
    end,
  ].join(', ');

/** Runs a case to its end; undefined if it cannot occur, because there is no such event or no such statement. */
async function play(one: Case, earlier: unknown[]): Promise<{ waited: boolean; orders: Its[] } | undefined> {
  const { first, second, isSameOrder, isCanceledEarly, end } = one;
  const total = await priceFor(one);
  const its = newOrder(total);
  const other = isSameOrder ? its : newOrder(total);
  const isPossible = isSameOrder
    ? await runAll(its, stepsBefore([first, second], isCanceledEarly))
    : (await runAll(its, stepsBefore([first], isCanceledEarly))) &&
      (await runAll(other, stepsBefore([second], isCanceledEarly)));
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
  if (held && !passing) await statements.execute(held.sent);
  for (const [started, step, whose] of [
    [held, first, its],
    [passing, second, other],
  ] as const) {
    if (!started) continue;
    // a customer retries after 503 or no response; an event is published again from its outbox row
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

const newOrder = (total: number): Its => ({ userId, key: uuidv7(), depositKey: uuidv7(), total, events: {} });

async function priceFor({ money }: Case): Promise<number> {
  if (money === 'enough') return 2;
  if ((await balance()) < largeDeposit / 2) await topUp();
  const now = await balance();
  // more than the deposit of a step adds
  return money === 'for one' ? Math.floor(now / 2) + 10 : now + 10;
}

async function balance(): Promise<number> {
  const found = await statements.ask<{ balance: number }>(
    'select balance::bigint from billing.accounts where user_id = $1',
    [userId],
  );
  return found[0]?.balance ?? NaN;
}

/** Runs steps one after the other; false if one of them cannot run. */
async function runAll(its: Its, before: Step[]): Promise<boolean> {
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

/** Starts a step and stops it before its statement is executed; undefined if the step ends without it. */
async function begin(step: Step, its: Its, process: Process): Promise<Started | undefined> {
  const acting = step.act(its, world, process);
  if (acting === undefined) return undefined;
  const { sent } = statements;
  let isDone = false;
  const done = acting.catch(() => 503).finally(() => (isDone = true));
  for (;;) {
    const one = sent.shift();
    if (one?.name === step.statement) return { sent: one, done };
    if (one) await statements.execute(one);
    else if (isDone) return undefined;
    else await setImmediate();
  }
}

/** Executes all statements until this call has ended; returns its status. */
async function ended(acting: Promise<number> | undefined): Promise<number> {
  if (acting === undefined) throw new Error('the step cannot run');
  let status: number | undefined;
  acting.then(
    (returned) => (status = returned),
    () => (status = 503),
  );
  while (status === undefined) {
    const one = statements.sent.shift();
    if (one) await statements.execute(one);
    else await setImmediate();
  }
  return status;
}

/** Completes everything: replays parked events and publishes outbox rows until there are none. */
async function finish(): Promise<void> {
  for (let round = 0; ; round += 1) {
    while (broker.deliveries.length > 0) {
      const delivery = broker.deliveries.shift() as (typeof broker.deliveries)[number];
      const delivering = deliverTo(world.functionOf(delivery.to, 'first'), delivery.event);
      await ended(delivering.then(({ status }) => status));
      broker.complete(delivery, await delivering);
    }
    const [left] = await statements.ask<{ chains: number; parked: number }>(
      `select (select count(*) from events.outbox) as chains,
              (select count(*) from events.dead_letters where replayed_at is null or last_parked_at > replayed_at) as parked`,
    );
    if (left?.chains === 0 && left.parked === 0) break;
    if (round > 20) throw new Error(`The shop does not come to rest: ${JSON.stringify(left)}`);
    if ((left?.parked ?? 0) > 0) {
      const replay = { action: 'replay-all', rate: 100 };
      const replaying = callStarted(world.functionOf('replay-events', 'first'), replay, { userId, role: 'admin' });
      expect(await ended(replaying.then(({ status }) => status))).toBe(202);
    }
    await statements.ask(
      `update events.outbox set due_at = clock_timestamp() - interval '3 seconds', created_at = clock_timestamp()`,
    );
    await ended(world.outboxOf('first').republishDue());
  }
}

/** Each order has ended in the right state. */
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

async function expectInvariants(orders: Its[], earlier: unknown[], descriptions: Map<string, string>): Promise<void> {
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
    const orderId = [...descriptions.keys()].find((id) => subject.includes(id));
    return `${name}: ${subject} – ${detail} (${descriptions.get(orderId ?? '') ?? 'no order of this step'})`;
  });
  expect(wrong).toEqual([]);
}

/** A customer with an account and a large deposit, created through the functions. */
async function newCustomer(): Promise<string> {
  const id = uuidv7();
  const event = beginChain(userRegistered.create({ userId: id }));
  const user = { id, email: `${id}@example.com`, name: 'Ann', passwordHash: '$argon2id$none' };
  await ended(insertUser(statements.database, user, event).then(() => 201));
  await world.outboxOf('first').publish(event);
  userId = id;
  await finish();
  await topUp();
  return id;
}

async function topUp(): Promise<void> {
  const money = { amount: largeDeposit, currency: 'usd' };
  await ended(callStarted(world.functionOf('deposit-money', 'first'), money, { userId }).then(({ status }) => status));
  await finish();
}
