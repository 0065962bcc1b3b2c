import { setTimeout as pause } from 'node:timers/promises';
import { functionNames } from '#local/functions.ts';
import {
  deleteByForce,
  describe,
  functionsReady,
  isReady,
  placeOf,
  places,
  podsOf,
  readyAgain,
  type Deletion,
  type Place,
} from './pods.ts';
import { allServersReady, loseStandbysAndPrimary, type Alone } from './standbys.ts';

/** From when on the time of a row counts; for an order that is accepted later, from its acceptance. */
export type Since = 'acceptance' | 'the kill' | 'the failover' | 'all ready again';

/** What was deleted. */
export interface Fault extends Deletion {
  /** When all of it was ready again; only of rows that wait for it. */
  readyAt?: number;
  /** When Postgres had no synchronous standby. */
  alone?: Alone;
}

/** A fault that is caused on purpose, and what the shop promises about it. */
export interface Row {
  name: string;
  /** Orders are settled and notified within this time. */
  limitMs: number;
  since: Since;
  /** Why it cannot be caused here; undefined if it can. */
  skipped(): Promise<string | undefined>;
  /** Waits until nothing is left of the fault before. */
  prepare?(): Promise<unknown>;
  /** `time` is the number of the repetition, from 0 on. Undefined: nothing was deleted. */
  cause(time: number): Promise<Fault | undefined>;
}

/** The functions that an order passes first, then the others. */
const inTurn = [
  ...new Set(['charge-account', 'settle-order', 'send-notification', 'create-order', 'storefront', 'cancel-order']),
  ...functionNames,
].filter((name, index, all) => all.indexOf(name) === index);

const without = async (place: Place): Promise<string | undefined> =>
  (await podsOf(place)).length > 0 ? undefined : `no pod of ${describe(place)} runs`;

const isReplicated = async () => (await podsOf(places.servers)).length > 0;

/** Deletes every pod of a place and waits until as many are ready again. */
async function deleteUntilReady(place: Place): Promise<Fault> {
  const count = (await podsOf(place)).filter(isReady).length;
  const deletion = await deleteByForce(place);
  await readyAgain(place, count, deletion);
  return { ...deletion, readyAt: Date.now() };
}

export const rows: Row[] = [
  {
    name: 'nothing',
    limitMs: 10_000,
    since: 'acceptance',
    skipped: async () => undefined,
    cause: async () => {
      await pause(1_000);
      return undefined;
    },
  },
  {
    name: 'primary Postgres',
    limitMs: 10_000,
    since: 'the failover',
    skipped: async () => ((await isReplicated()) ? undefined : without(places.singleServer)),
    prepare: async () => (await isReplicated()) && allServersReady(),
    cause: async () => deleteByForce((await isReplicated()) ? places.primary : places.singleServer),
  },
  {
    name: 'primary Postgres, its standbys away',
    limitMs: 10_000,
    since: 'the failover',
    skipped: () => without(places.servers),
    prepare: allServersReady,
    cause: async () => {
      const alone = await loseStandbysAndPrimary();
      return { ...alone, alone };
    },
  },
  {
    name: 'one broker node',
    limitMs: 10_000,
    since: 'the kill',
    skipped: () => without(places.brokerNodes),
    cause: (time) => deleteByForce(places.brokerNodes, (pods) => pods.slice(time % pods.length).slice(0, 1)),
  },
  {
    name: 'all broker nodes',
    limitMs: 10_000,
    since: 'all ready again',
    skipped: () => without(places.brokerNodes),
    cause: () => deleteUntilReady(places.brokerNodes),
  },
  {
    name: 'dispatchers of the channel',
    limitMs: 15_000,
    since: 'the kill',
    skipped: () => without(places.dispatchers),
    cause: () => deleteByForce(places.dispatchers),
  },
  {
    name: 'receivers of the broker',
    limitMs: 15_000,
    since: 'the kill',
    skipped: () => without(places.receivers),
    cause: () => deleteByForce(places.receivers),
  },
  {
    name: 'every pod of one function',
    limitMs: 10_000,
    since: 'the kill',
    skipped: () => without(places.functions),
    prepare: () => functionsReady(),
    cause: async (time) => {
      // those that are scaled to zero have nothing to delete
      const turn = inTurn.map((_, index) => inTurn[(time + index) % inTurn.length] ?? '');
      for (const name of turn) {
        if ((await podsOf(placeOf(name))).length > 0) return deleteByForce(placeOf(name));
      }
      throw new Error('no function runs');
    },
  },
  {
    name: 'every pod of all functions',
    limitMs: 10_000,
    since: 'all ready again',
    skipped: () => without(places.functions),
    prepare: () => functionsReady(),
    cause: async () => {
      const deletion = await deleteByForce(places.functions);
      await functionsReady(deletion);
      return { ...deletion, readyAt: Date.now() };
    },
  },
  {
    name: 'mail catcher',
    limitMs: 10_000,
    since: 'the kill',
    skipped: () => without(places.mailCatcher),
    cause: () => deleteByForce(places.mailCatcher),
  },
];
