import type { CloudEventV1 } from 'cloudevents';
import { virtualBroker, type Delivery, type VirtualBroker } from './broker.ts';
import type { Chance } from './chance.ts';
import type { Customer, Request } from './customers.ts';
import { callFunction, deliverTo, type Processes } from './functions.ts';
import type { Sent, Statements } from './statements.ts';

/** The probability of each fault in one scenario. */
export interface FaultProfile {
  lostEvents: number;
  repeatedEvents: number;
  lostStatements: number;
  lostResponses: number;
  overlaps: number;
}

/** The state of a running scenario, and the steps that may come next. */
export interface Scene {
  readonly broker: VirtualBroker;
  readonly statements: Statements;
  readonly customers: Customer[];
  /** Requests without a final response, which their customers retry. */
  readonly unfinished: Request[];
  readonly accepted: Set<string>;
  readonly canceled: Set<string>;
  /** Ids of events that an untrusted sender has altered. */
  readonly broken: Set<string>;
  /** Unexpected responses and errors, as sentences. */
  readonly failures: string[];
  /** The number of calls in flight. */
  inFlight(): number;
  note(step: string): void;
  /** From now on no fault happens. */
  calmDown(): void;
  /** Publishes an event; the broker may lose it. */
  publish(event: CloudEventV1<unknown>): void;
  deliver(delivery: Delivery): void;
  register(customer: Customer & { register: () => Promise<void> }): void;
  send(request: Request): void;
  /** Makes all outbox rows due and scans the outbox. */
  relay(): Promise<void>;
  /** Executes a statement, possibly with a fault or overlapping another one that is held open. */
  execute(one: Sent): Promise<void>;
}

interface Setting {
  chance: Chance;
  faultProfile: FaultProfile;
  statements: Statements;
  processes: Processes;
  note: Scene['note'];
}

export function openScene({ chance, faultProfile, statements, processes, note }: Setting): Scene {
  const broker = virtualBroker();
  const scene = { customers: [] as Customer[], unfinished: [] as Request[], failures: [] as string[] };
  const known = { accepted: new Set<string>(), canceled: new Set<string>(), broken: new Set<string>() };
  let calm = false;
  let inFlight = 0;
  let relaying = false;
  const fails = (probability: number) => !calm && chance.happens(probability);

  function begin(what: string, work: Promise<void>): void {
    inFlight += 1;
    void work
      .catch((error: unknown) => scene.failures.push(`${what} failed: ${String(error)}`))
      .finally(() => (inFlight -= 1));
  }

  function receive({ to, by }: Request, status: number, body: unknown): void {
    const { id } = body as { id: string };
    if (to === 'create-order' && status === 202) {
      by.orders.push(id);
      known.accepted.add(id);
    } else if (to === 'cancel-order' && status === 202) known.canceled.add(id);
    else if (to === 'deposit-money' ? status !== 201 : status !== 409) {
      scene.failures.push(`${to} returned ${status}: ${JSON.stringify(body)}`);
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
      const lost = fails(faultProfile.lostEvents);
      note(`${event.id} is published${lost ? ' and lost' : ''}`);
      if (!lost) broker.accept(event);
    },
    deliver: (delivery) => {
      const { to, event } = delivery;
      if (fails(faultProfile.lostEvents)) return note(`the broker loses ${event.id} for ${to}`);
      if (fails(faultProfile.repeatedEvents)) broker.deliveries.push({ ...delivery });
      const lost = fails(faultProfile.lostResponses);
      note(`${to} receives ${event.id}`);
      const work = deliverTo(processes, to, event, chance).then((receipt) => {
        note(`${to} returns ${receipt.status} for ${event.id}${lost ? ', which is lost' : ''}`);
        broker.complete(delivery, lost ? { status: -1 } : receipt);
      });
      begin(to, work);
    },
    register: ({ register, ...customer }) => {
      note(`${customer.name} registers`);
      // without a registration there is no log-in and no token to order with
      const untilDone = (): Promise<void> => register().then(() => void scene.customers.push(customer), untilDone);
      begin('a registration', untilDone());
    },
    send: (request) => {
      const { by, to, body, key } = request;
      const lost = fails(faultProfile.lostResponses);
      note(`${by.name} sends ${JSON.stringify(body)} with ${key} to ${to}`);
      const work = callFunction(processes, request, chance).then(({ statusCode, body: response }) => {
        note(`${to} returns ${statusCode} for ${key}${lost ? ', which is lost' : ''}`);
        const again = lost || statusCode === 503 || (response as { code?: string }).code === 'account_not_open';
        if (again) scene.unfinished.push(request);
        else receive(request, statusCode, response);
      });
      begin(to, work);
    },
    relay: async () => {
      if (relaying) return;
      relaying = true;
      note('the outbox rows come due');
      await statements.ask(`update events.outbox set due_at = clock_timestamp() - interval '3 seconds'`);
      // a failed scan is followed by the next one
      const scan = processes[0].context.outbox.republishDue().then(
        () => undefined,
        () => undefined,
      );
      begin(
        'the relay',
        scan.finally(() => (relaying = false)),
      );
    },
    execute: async (one) => {
      const faulty = fails(faultProfile.lostStatements);
      if (statements.sent.length > 0 && fails(faultProfile.overlaps)) {
        const other = chance.takenFrom(statements.sent);
        const end = faulty ? 'rollback' : 'commit';
        const waited = await statements.overlap(one, other, end);
        return note(`${one.name} is held open, ${other.name} ${waited ? 'waits' : 'passes'}, ${end}`);
      }
      const how = faulty ? chance.below(3) : -1;
      note([one.name, 'lost before', 'lost after its commit', 'the victim of a deadlock'].at(how + 1) ?? '');
      if (how === -1) await statements.execute(one);
      else if (how === 0) statements.loseBefore(one);
      else if (how === 1) await statements.loseAfter(one);
      else statements.refuse(one);
    },
  };
}
