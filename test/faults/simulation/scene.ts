import type { CloudEventV1 } from 'cloudevents';
import { republishDue } from '#platform/events/outbox.ts';
import { virtualBroker, type Parcel, type VirtualBroker } from './broker.ts';
import type { Chance } from './chance.ts';
import type { Customer, Request } from './customers.ts';
import { ask, bring } from './functions.ts';
import type { Sent, Statements } from './statements.ts';

/** How much goes wrong, as probabilities: each story has a faultProfile of its own. */
export interface FaultProfile {
  lostEvents: number;
  repeatedEvents: number;
  lostStatements: number;
  lostResponses: number;
  overlaps: number;
}

/** A story while it is told: what is under way, and what may happen next. */
export interface Scene {
  readonly broker: VirtualBroker;
  readonly statements: Statements;
  readonly customers: Customer[];
  /** Requests that a customer has no answer to; a careful one asks again. */
  readonly unanswered: Request[];
  readonly accepted: Set<string>;
  readonly canceled: Set<string>;
  /** Ids of events that somebody has altered. */
  readonly broken: Set<string>;
  /** What must never happen, in words. */
  readonly failures: string[];
  /** Calls that have not ended. */
  inFlight(): number;
  note(step: string): void;
  /** From now on nothing goes wrong any more. */
  calmDown(): void;
  /** The broker takes what a function publishes, or only seems to. */
  publish(event: CloudEventV1<unknown>): void;
  bringParcel(parcel: Parcel): void;
  register(who: Customer & { register: () => Promise<void> }): void;
  send(request: Request): void;
  /** What is in the outbox comes due, and somebody looks. */
  relay(): Promise<void>;
  /** A statement goes its way: in trouble perhaps, and perhaps while another one is held open. */
  goOnWith(one: Sent): Promise<void>;
}

export function openScene(
  chance: Chance,
  faultProfile: FaultProfile,
  statements: Statements,
  note: Scene['note'],
): Scene {
  const broker = virtualBroker();
  const scene = { customers: [] as Customer[], unanswered: [] as Request[], failures: [] as string[] };
  const known = { accepted: new Set<string>(), canceled: new Set<string>(), broken: new Set<string>() };
  let calm = false;
  let inFlight = 0;
  let relaying = false;
  const goesWrong = (probability: number) => !calm && chance.happens(probability);

  function begin(what: string, work: Promise<void>): void {
    inFlight += 1;
    void work
      .catch((error: unknown) => scene.failures.push(`${what} failed: ${String(error)}`))
      .finally(() => (inFlight -= 1));
  }

  function heard({ to, by }: Request, status: number, body: unknown): void {
    const { id } = body as { id: string };
    if (to === 'create-order' && status === 202) {
      by.orders.push(id);
      known.accepted.add(id);
    } else if (to === 'cancel-order' && status === 202) known.canceled.add(id);
    else if (to === 'deposit-money' ? status !== 201 : status !== 409) {
      scene.failures.push(`${to} answered ${status}: ${JSON.stringify(body)}`);
    }
  }

  return {
    broker,
    statements,
    ...scene,
    ...known,
    note,
    inFlight: () => inFlight,
    calmDown: () => {
      calm = true;
    },
    publish: (event) => {
      const lost = goesWrong(faultProfile.lostEvents);
      note(`${event.id} is published${lost ? ' and gets lost' : ''}`);
      if (!lost) broker.take(event);
    },
    bringParcel: (parcel) => {
      const { to, event } = parcel;
      if (goesWrong(faultProfile.lostEvents)) return note(`the broker loses ${event.id} for ${to}`);
      if (goesWrong(faultProfile.repeatedEvents)) broker.parcels.push({ ...parcel });
      const lost = goesWrong(faultProfile.lostResponses);
      note(`${to} gets ${event.id}`);
      const work = bring(to, event, chance).then((receipt) => {
        note(`${to} answers ${receipt.status} to ${event.id}${lost ? ', which gets lost' : ''}`);
        broker.goOn(parcel, lost ? { status: -1 } : receipt);
      });
      begin(to, work);
    },
    register: ({ register, ...customer }) => {
      note(`${customer.name} registers`);
      // who is not registered yet cannot log in, and has no token to order with
      const untilDone = (): Promise<void> => register().then(() => void scene.customers.push(customer), untilDone);
      begin('a registration', untilDone());
    },
    send: (request) => {
      const { by, to, body, key } = request;
      const lost = goesWrong(faultProfile.lostResponses);
      note(`${by.name} sends ${JSON.stringify(body)} with ${key} to ${to}`);
      const work = ask(request, chance).then(({ statusCode, body: answer }) => {
        note(`${to} answers ${statusCode} to ${key}${lost ? ', which gets lost' : ''}`);
        const again = lost || statusCode === 503 || (answer as { code?: string }).code === 'account_not_open';
        if (again) scene.unanswered.push(request);
        else heard(request, statusCode, answer);
      });
      begin(to, work);
    },
    relay: async () => {
      if (relaying) return;
      relaying = true;
      note('what is in the outbox comes due');
      await statements.ask(`update events.outbox set due_at = clock_timestamp() - interval '3 seconds'`);
      // a look that fails is followed by the next one
      const look = republishDue().then(
        () => undefined,
        () => undefined,
      );
      begin(
        'the relay',
        look.finally(() => (relaying = false)),
      );
    },
    goOnWith: async (one) => {
      const trouble = goesWrong(faultProfile.lostStatements);
      if (statements.sent.length > 0 && goesWrong(faultProfile.overlaps)) {
        const other = chance.takenFrom(statements.sent);
        const end = trouble ? 'rollback' : 'commit';
        const waited = await statements.overlap(one, other, end);
        return note(`${one.name} is held open, ${other.name} ${waited ? 'waits' : 'passes'}, ${end}`);
      }
      const how = trouble ? chance.below(3) : -1;
      note([one.name, 'lost before', 'lost after its commit', 'the victim of a deadlock'].at(how + 1) ?? '');
      if (how === -1) await statements.carryOut(one);
      else if (how === 0) statements.loseBefore(one);
      else if (how === 1) await statements.loseAfter(one);
      else statements.refuse(one);
    },
  };
}
