import type { CloudEventV1 } from 'cloudevents';
import { deadLetter } from '#local/broker/delivery.ts';
import { ping } from '#local/ping.ts';
import { call, deliver } from '#test/support/calls.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import { republishDue } from '#platform/events/outbox.ts';
import { signRefusal } from '#platform/events/signature.ts';

type Handle = (context: Context) => Promise<Answer>;

/** One order of a customer, and what was heard of it. */
export interface Its {
  userId: string;
  /** The customer's key for it; its deposit has one of its own. */
  key: string;
  depositKey: string;
  total: number;
  orderId?: string;
  /** The answer to the last attempt to cancel it. */
  cancelStatus?: number;
  /** What the functions have answered to its events. */
  facts: { charge?: ShopEvent; settled?: ShopEvent; reversal?: ShopEvent; reversed?: ShopEvent };
}

/** What the steps are done with. */
export interface World {
  /** One of the two processes of a function. */
  room(name: string, process: Process): Handle;
  /** The event of this id as it was published, if it was. */
  published(id: string): CloudEventV1<unknown> | undefined;
  ask(sql: string, values?: unknown[]): Promise<unknown>;
}

export type Process = 'first' | 'second';

export type StepName =
  | 'open'
  | 'deposit'
  | 'place'
  | 'charge'
  | 'settle'
  | 'tell'
  | 'cancel'
  | 'void'
  | 'refund'
  | 'settle reversal'
  | 'tell reversal'
  | 'relay'
  | 'park'
  | 'sweep';

export interface Step {
  name: StepName;
  /** The statement of it that is held, or that runs while another one is held. */
  statement: string;
  /** Whether it meets another order of the same account. */
  isOfAccount?: true;
  /** What has to have happened to the order before. */
  after: StepName[];
  /** What else has to be so. */
  prepare?: (its: Its, world: World) => Promise<unknown>;
  /** Does it, gives the status of its answer; undefined if it cannot be done, because there is no such event. */
  act: (its: Its, world: World, process: Process) => Promise<number> | undefined;
}

/** Every step that writes what another one reads or writes. A new statement is a line here. */
export const steps: Step[] = [
  { name: 'open', statement: 'create-account.insert', isOfAccount: true, after: [], act: open },
  { name: 'deposit', statement: 'deposit-money.insert', isOfAccount: true, after: [], act: deposit },
  { name: 'place', statement: 'create-order.insert', after: [], act: place },
  { name: 'charge', statement: 'charge-account.decide', isOfAccount: true, after: ['place'], act: charge },
  { name: 'settle', statement: 'settle-order.settle', after: ['place', 'charge'], act: settle },
  { name: 'tell', statement: 'send-notification.record', after: ['place', 'charge', 'settle'], act: tell },
  { name: 'cancel', statement: 'cancel-order.cancel', after: ['place'], act: cancel },
  { name: 'void', statement: 'refund-charge.void', after: ['place', 'cancel'], act: reverse },
  {
    name: 'refund',
    statement: 'refund-charge.refund',
    isOfAccount: true,
    after: ['place', 'charge', 'cancel'],
    act: reverse,
  },
  {
    name: 'settle reversal',
    statement: 'settle-order.settle',
    after: ['place', 'cancel', 'void'],
    act: settleReversal,
  },
  {
    name: 'tell reversal',
    statement: 'send-notification.record',
    after: ['place', 'cancel', 'void', 'settle reversal'],
    act: tellReversal,
  },
  { name: 'relay', statement: 'outbox.take_due', after: ['place'], prepare: comesDue, act: relay },
  { name: 'park', statement: 'park-event.park', after: ['place'], act: park },
  { name: 'sweep', statement: 'sweep.park', after: ['place'], prepare: isADayOld, act: sweep },
];

/** Writing statements that meet none of these rows: another customer's, or rows that only they write. */
export const elsewhere = new Set([
  'register-user.insert', // before everything else
  'settle-order.end', // deletes by the key of a chain that has ended, as send-notification.record does
  'send-notification.find', // the same, of facts that were recorded before
  'sweep.reopen', // inserts a row that is missing: test/flow/reconciliation.test.ts
  'send-notification.take_due', // notifications after their chains: send-notification.test.ts
  'send-notification.mark',
  'replay-events.replay', // a person's choice: test/flow/dead-letters.ts
  'replay-events.replay_all',
  'replay-events.unsent',
  'replay-events.stop',
]);

/** In which order a customer's steps are usual. A cancel may come before the charge, too. */
const usual: StepName[] = ['place', 'charge', 'settle', 'tell', 'cancel', 'void', 'settle reversal', 'tell reversal'];
const early: StepName[] = ['place', 'cancel', 'charge', 'settle', 'void', 'tell', 'settle reversal', 'tell reversal'];

/** What has to have happened to one order before these steps, in order. */
export function stepsBefore(these: Step[], isCanceledEarly: boolean): Step[] {
  const needed = new Set(these.flatMap(({ after }) => after));
  return (isCanceledEarly ? early : usual).flatMap((name) => (needed.has(name) ? stepOf(name) : []));
}

/** Whether it makes a difference to these steps which comes first, charge or cancel. */
export const dependOnOrder = (these: Step[]): boolean => {
  const needed = new Set(these.flatMap(({ after }) => after));
  return needed.has('cancel') && needed.has('charge');
};

const stepOf = (name: StepName): Step => steps.find((step) => step.name === name) as Step;

async function open({ userId }: Its, world: World, process: Process): Promise<number> {
  const event = world.published(`${userId}.registered`) as ShopEvent;
  return (await deliver(world.room('create-account', process), event)).status;
}

async function deposit({ userId, depositKey: key }: Its, world: World, process: Process): Promise<number> {
  const room = world.room('deposit-money', process);
  return (await call(room, { amount: 1, currency: 'usd' }, { userId, key })).status;
}

async function place(its: Its, world: World, process: Process): Promise<number> {
  const { userId, key, total } = its;
  const room = world.room('create-order', process);
  const { status, body } = await call<{ id: string }>(
    room,
    { items: [{ sku: 'sticker', quantity: total }] },
    { userId, key },
  );
  if (status === 202) its.orderId = body.id;
  return status;
}

function charge(its: Its, world: World, process: Process): Promise<number> | undefined {
  return heard(its, 'charge', world.room('charge-account', process), world.published(`${its.orderId}.placed`));
}

function settle(its: Its, world: World, process: Process): Promise<number> | undefined {
  return heard(its, 'settled', world.room('settle-order', process), its.facts.charge);
}

function tell(its: Its, world: World, process: Process): Promise<number> | undefined {
  return heard(its, undefined, world.room('send-notification', process), its.facts.settled);
}

async function cancel(its: Its, world: World, process: Process): Promise<number> {
  const { status } = await call(world.room('cancel-order', process), { orderId: its.orderId }, { userId: its.userId });
  its.cancelStatus = status;
  return status;
}

function reverse(its: Its, world: World, process: Process): Promise<number> | undefined {
  const event = world.published(`${its.orderId}.cancel_requested`);
  return heard(its, 'reversal', world.room('refund-charge', process), event);
}

function settleReversal(its: Its, world: World, process: Process): Promise<number> | undefined {
  return heard(its, 'reversed', world.room('settle-order', process), its.facts.reversal);
}

function tellReversal(its: Its, world: World, process: Process): Promise<number> | undefined {
  return heard(its, undefined, world.room('send-notification', process), its.facts.reversed);
}

/** Brings an event of an order to a function, and keeps the fact that it answers with. */
function heard(
  { facts }: Its,
  kept: keyof Its['facts'] | undefined,
  room: Handle,
  event: CloudEventV1<unknown> | undefined,
): Promise<number> | undefined {
  if (!event) return undefined;
  return deliver(room, event).then(({ status, event: fact }) => {
    if (kept && fact) facts[kept] = fact;
    return status;
  });
}

function comesDue({ orderId }: Its, { ask }: World): Promise<unknown> {
  return ask(`update events.outbox set due_at = clock_timestamp() - interval '3 seconds' where id like $1`, [
    `${orderId}.%`,
  ]);
}

async function relay(): Promise<number> {
  await republishDue();
  return 204;
}

function park({ orderId }: Its, world: World, process: Process): Promise<number> | undefined {
  const event = world.published(`${orderId}.placed`);
  if (!event) return undefined;
  const refusal = { by: 'charge-account', code: 'bad_event' };
  const body = JSON.stringify({ ...refusal, refusal: signRefusal(event, refusal) });
  const given = deadLetter(event, 'http://charge-account', { status: 400, body });
  return deliver(world.room('park-event', process), given).then(({ status }) => status);
}

function isADayOld({ orderId }: Its, { ask }: World): Promise<unknown> {
  return ask(`update events.outbox set created_at = created_at - interval '2 days' where id = $1`, [
    `${orderId}.placed`,
  ]);
}

async function sweep(_its: Its, world: World, process: Process): Promise<number> {
  return (await deliver(world.room('sweep', process), ping())).status;
}
