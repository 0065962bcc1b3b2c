import type { CloudEventV1 } from 'cloudevents';
import { deadLetter } from '#local/broker/delivery.ts';
import { ping } from '#local/ping.ts';
import { callStarted, deliverTo } from '#test/support/calls.ts';
import { context } from '#test/support/context.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import type { FunctionResponse, Invocation } from '#platform/events/on-event.ts';
import type { Outbox } from '#platform/events/outbox.ts';

type Served = (invocation: Invocation) => Promise<FunctionResponse>;

/** One order of a customer, and what is known of it. */
export interface Its {
  userId: string;
  /** The Idempotency-Key of the order; its deposit has another one. */
  key: string;
  depositKey: string;
  total: number;
  orderId?: string;
  /** The status of the last attempt to cancel it. */
  cancelStatus?: number;
  /** The events that the functions have replied with. */
  events: { charge?: ShopEvent; settled?: ShopEvent; reversal?: ShopEvent; reversed?: ShopEvent };
}

/** The environment of the steps. */
export interface World {
  /** A function in one of the two processes. */
  functionOf(name: string, process: Process): Served;
  outboxOf(process: Process): Outbox;
  /** The event with this id as it was published; undefined if it was not. */
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
  | 'notify'
  | 'cancel'
  | 'void'
  | 'refund'
  | 'settle reversal'
  | 'notify reversal'
  | 'relay'
  | 'park'
  | 'sweep';

export interface Step {
  name: StepName;
  /** Its statement that is held open, or that runs while another one is. */
  statement: string;
  /** Whether it touches rows of the account, which other orders share. */
  isOfAccount?: true;
  /** The steps of the order that must come first. */
  after: StepName[];
  /** Prepares rows that it needs. */
  prepare?: (its: Its, world: World) => Promise<unknown>;
  /**
   * Runs it; resolves with the status of the response. Undefined if it cannot run, because its event does not exist.
   */
  act: (its: Its, world: World, process: Process) => Promise<number> | undefined;
}

/** Every step that writes what another one reads or writes. A new statement needs a line here. */
export const steps: Step[] = [
  { name: 'open', statement: 'create-account.insert', isOfAccount: true, after: [], act: open },
  { name: 'deposit', statement: 'deposit-money.insert', isOfAccount: true, after: [], act: deposit },
  { name: 'place', statement: 'create-order.insert', after: [], act: place },
  { name: 'charge', statement: 'charge-account.decide', isOfAccount: true, after: ['place'], act: charge },
  { name: 'settle', statement: 'settle-order.settle', after: ['place', 'charge'], act: settle },
  { name: 'notify', statement: 'send-notification.record', after: ['place', 'charge', 'settle'], act: notify },
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
    name: 'notify reversal',
    statement: 'send-notification.record',
    after: ['place', 'cancel', 'void', 'settle reversal'],
    act: notifyReversal,
  },
  { name: 'relay', statement: 'outbox.take_due', after: ['place'], prepare: comesDue, act: relay },
  { name: 'park', statement: 'park-event.park', after: ['place'], act: park },
  { name: 'sweep', statement: 'sweep.park', after: ['place'], prepare: isADayOld, act: sweep },
];

/** Writing statements that touch none of these rows: another customer's, or rows that only they write. */
export const elsewhere = new Set([
  'register-user.insert', // before everything else
  'outbox.defer', // moves due times alone, and skips locked rows: open-chains.test.ts
  'settle-order.end', // deletes by the key of a chain that has ended, as send-notification.record does
  'send-notification.find', // the same, for events that were recorded before
  'sweep.reopen', // inserts a row that is missing: test/flow/reconciliation.test.ts
  'send-notification.take_due', // notifications after their chains: send-notification.test.ts
  'send-notification.mark',
  'send-notification.gather', // notifications of one recipient: cap.test.ts
  'send-notification.settle_digest',
  'replay-events.replay', // started by the administrator: test/flow
  'replay-events.replay_all',
  'replay-events.unsent',
  'replay-events.stop',
]);

/** The usual order of a customer's steps. A cancel may also come before the charge. */
const usual: StepName[] = [
  'place',
  'charge',
  'settle',
  'notify',
  'cancel',
  'void',
  'settle reversal',
  'notify reversal',
];
const early: StepName[] = [
  'place',
  'cancel',
  'charge',
  'settle',
  'void',
  'notify',
  'settle reversal',
  'notify reversal',
];

/** The steps that must have run for one order before these, in order. */
export function stepsBefore(these: Step[], isCanceledEarly: boolean): Step[] {
  const needed = new Set(these.flatMap(({ after }) => after));
  return (isCanceledEarly ? early : usual).flatMap((name) => (needed.has(name) ? stepOf(name) : []));
}

/** Whether it matters to these steps which comes first, charge or cancel. */
export const dependOnOrder = (these: Step[]): boolean => {
  const needed = new Set(these.flatMap(({ after }) => after));
  return needed.has('cancel') && needed.has('charge');
};

const stepOf = (name: StepName): Step => steps.find((step) => step.name === name) as Step;

async function open({ userId }: Its, world: World, process: Process): Promise<number> {
  const event = world.published(`${userId}.registered`) as ShopEvent;
  return (await deliverTo(world.functionOf('create-account', process), event)).status;
}

async function deposit({ userId, depositKey: key }: Its, world: World, process: Process): Promise<number> {
  const served = world.functionOf('deposit-money', process);
  return (await callStarted(served, { amount: 1, currency: 'usd' }, { userId, key })).status;
}

async function place(its: Its, world: World, process: Process): Promise<number> {
  const { userId, key, total } = its;
  const served = world.functionOf('create-order', process);
  const { status, body } = await callStarted<{ id: string }>(
    served,
    { items: [{ sku: 'sticker', quantity: total }] },
    { userId, key },
  );
  if (status === 202) its.orderId = body.id;
  return status;
}

function charge(its: Its, world: World, process: Process): Promise<number> | undefined {
  return consume(its, 'charge', world.functionOf('charge-account', process), world.published(`${its.orderId}.placed`));
}

function settle(its: Its, world: World, process: Process): Promise<number> | undefined {
  return consume(its, 'settled', world.functionOf('settle-order', process), its.events.charge);
}

function notify(its: Its, world: World, process: Process): Promise<number> | undefined {
  return consume(its, undefined, world.functionOf('send-notification', process), its.events.settled);
}

async function cancel(its: Its, world: World, process: Process): Promise<number> {
  const { status } = await callStarted(
    world.functionOf('cancel-order', process),
    { orderId: its.orderId },
    { userId: its.userId },
  );
  its.cancelStatus = status;
  return status;
}

function reverse(its: Its, world: World, process: Process): Promise<number> | undefined {
  const event = world.published(`${its.orderId}.cancel_requested`);
  return consume(its, 'reversal', world.functionOf('refund-charge', process), event);
}

function settleReversal(its: Its, world: World, process: Process): Promise<number> | undefined {
  return consume(its, 'reversed', world.functionOf('settle-order', process), its.events.reversal);
}

function notifyReversal(its: Its, world: World, process: Process): Promise<number> | undefined {
  return consume(its, undefined, world.functionOf('send-notification', process), its.events.reversed);
}

/** Delivers an event of an order to a function, and stores the event that it replies with under this name. */
function consume(
  { events }: Its,
  name: keyof Its['events'] | undefined,
  served: Served,
  event: CloudEventV1<unknown> | undefined,
): Promise<number> | undefined {
  if (!event) return undefined;
  return deliverTo(served, event).then(({ status, event: next }) => {
    if (name && next) events[name] = next;
    return status;
  });
}

function comesDue({ orderId }: Its, { ask }: World): Promise<unknown> {
  return ask(`update events.outbox set due_at = clock_timestamp() - interval '3 seconds' where id like $1`, [
    `${orderId}.%`,
  ]);
}

async function relay(_its: Its, world: World, process: Process): Promise<number> {
  await world.outboxOf(process).republishDue();
  return 204;
}

function park({ orderId }: Its, world: World, process: Process): Promise<number> | undefined {
  const event = world.published(`${orderId}.placed`);
  if (!event) return undefined;
  const refusal = { by: 'charge-account', code: 'bad_event' };
  const body = JSON.stringify({ ...refusal, refusal: context.signer.signRefusal(event, refusal) });
  const refused = deadLetter(event, 'http://charge-account', { status: 400, body });
  return deliverTo(world.functionOf('park-event', process), refused).then(({ status }) => status);
}

function isADayOld({ orderId }: Its, { ask }: World): Promise<unknown> {
  return ask(`update events.outbox set created_at = created_at - interval '2 days' where id = $1`, [
    `${orderId}.placed`,
  ]);
}

async function sweep(_its: Its, world: World, process: Process): Promise<number> {
  return (await deliverTo(world.functionOf('sweep', process), ping())).status;
}
