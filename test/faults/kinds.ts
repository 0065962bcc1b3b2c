/** A kind of fault: a test file that has a long form. */
export interface Kind {
  name: string;
  file: string;
  what: string;
  /** Its share of the time, relative to the other kinds. */
  weight: number;
  /** Minutes that it takes if it cannot be cut short; it is not started with less time than that. */
  atLeastMinutes?: number;
}

export const kinds: Kind[] = [
  {
    name: 'random',
    file: 'test/faults/random-kills.test.ts',
    what: 'kill -9 of any process at any time, under load',
    weight: 4,
  },
  {
    name: 'steps',
    file: 'test/faults/kills.test.ts',
    what: 'a function kills itself at each step of its work',
    weight: 2,
  },
  {
    name: 'recovery',
    file: 'test/faults/recovery.test.ts',
    what: 'everything, Postgres, or each process in turn is killed',
    weight: 1,
    atLeastMinutes: 2.5,
  },
  {
    name: 'stop',
    file: 'test/system/stop-under-load.test.ts',
    what: 'SIGTERM to each process under load',
    weight: 1,
    atLeastMinutes: 1,
  },
  {
    name: 'backup',
    file: 'test/faults/backup.test.ts',
    what: 'a backup under load, and a shop started on it',
    weight: 0.5,
    atLeastMinutes: 0.5,
  },
  {
    name: 'scenarios',
    file: 'test/faults/simulation.test.ts',
    what: 'simulated scenarios with faults, from a seed',
    weight: 3,
  },
  {
    name: 'events',
    file: 'test/faults/fuzz-events.test.ts',
    what: 'arbitrary input posted as events',
    weight: 3,
  },
  {
    name: 'requests',
    file: 'test/faults/fuzz-requests.test.ts',
    what: 'arbitrary requests to the public API',
    weight: 1,
  },
  {
    name: 'sockets',
    file: 'test/contracts/smuggling.test.ts',
    what: 'HTTP that can be parsed in two ways',
    weight: 0.3,
    atLeastMinutes: 0.3,
  },
  {
    name: 'races',
    file: 'test/flow/cancel-races.test.ts',
    what: 'cancel against charge, step by step',
    weight: 0.3,
    atLeastMinutes: 0.3,
  },
  { name: 'postgres', file: 'test/faults/postgres-outages.test.ts', what: 'outages of Postgres', weight: 2 },
  { name: 'mail', file: 'test/faults/mail-outages.test.ts', what: 'outages of the mail server', weight: 1 },
  {
    name: 'double',
    file: 'test/faults/double-spend.test.ts',
    what: 'the same money spent by orders in parallel',
    weight: 1,
  },
  {
    name: 'interleavings',
    file: 'test/faults/interleavings.test.ts',
    what: 'every pair of statements, in both orders',
    weight: 1,
  },
];

/**
 * The minutes of a kind out of those that are left, if `others` follow it; undefined if it takes so long that too
 * little would be left for them.
 */
export function shareOf(kind: Kind, others: Kind[], leftMinutes: number): number | undefined {
  const weights = others.reduce((sum, { weight }) => sum + weight, kind.weight);
  const share = (leftMinutes * kind.weight) / weights;
  const { atLeastMinutes = 0 } = kind;
  if (atLeastMinutes > Math.max(share, leftMinutes * 0.6)) return undefined;
  return Math.max(share, atLeastMinutes);
}
