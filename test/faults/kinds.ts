import { existsSync } from 'node:fs';

/** A kind of fault: a test file that has a long form. */
export interface Kind {
  name: string;
  file: string;
  what: string;
  /** How much of the time it gets, against the others. */
  weight: number;
  /** What it takes when it cannot be cut short, in minutes; with less time than that it is not begun. */
  atLeastMinutes?: number;
}

const known: Kind[] = [
  {
    name: 'random',
    file: 'test/faults/random-kills',
    what: 'kill -9 of any process at any moment, under load',
    weight: 4,
  },
  { name: 'steps', file: 'test/faults/kills', what: 'a function kills itself at each step of its work', weight: 2 },
  {
    name: 'recovery',
    file: 'test/faults/recovery',
    what: 'all, Postgres, each process killed',
    weight: 1,
    atLeastMinutes: 2.5,
  },
  {
    name: 'stop',
    file: 'test/system/stop-under-load',
    what: 'SIGTERM to each process under load',
    weight: 1,
    atLeastMinutes: 1,
  },
  {
    name: 'backup',
    file: 'test/faults/backup',
    what: 'a copy under load, and a shop on it',
    weight: 0.5,
    atLeastMinutes: 0.5,
  },
  { name: 'stories', file: 'test/faults/simulation', what: 'simulated trouble that a seed decides', weight: 3 },
  { name: 'events', file: 'test/faults/fuzz-events', what: 'whatever is posted as an event', weight: 3 },
  { name: 'requests', file: 'test/faults/fuzz-requests', what: 'whatever is sent to the door', weight: 1 },
  {
    name: 'sockets',
    file: 'test/contracts/smuggling',
    what: 'HTTP that could be read in two ways',
    weight: 0.3,
    atLeastMinutes: 0.3,
  },
  {
    name: 'races',
    file: 'test/flow/cancel-races',
    what: 'cancel against charge, step by step',
    weight: 0.3,
    atLeastMinutes: 0.3,
  },
  { name: 'postgres', file: 'test/faults/postgres-outages', what: 'Postgres in trouble', weight: 2 },
  { name: 'mail', file: 'test/faults/mail-outages', what: 'a mail server in trouble', weight: 1 },
  { name: 'double', file: 'test/faults/double-spend', what: 'the same money spent at once', weight: 1 },
  { name: 'interleavings', file: 'test/faults/interleavings', what: 'every order of two steps', weight: 1 },
];

/** Every kind whose test there is. */
export const kinds: Kind[] = known
  .map((kind) => ({ ...kind, file: `${kind.file}.test.ts` }))
  .filter(({ file }) => existsSync(file));

/**
 * What a kind gets of the time that is left, when `others` come after it; undefined if it cannot be done with what
 * they would leave to it.
 */
export function shareOf(kind: Kind, others: Kind[], leftMinutes: number): number | undefined {
  const weights = others.reduce((sum, { weight }) => sum + weight, kind.weight);
  const share = (leftMinutes * kind.weight) / weights;
  const { atLeastMinutes = 0 } = kind;
  if (atLeastMinutes > Math.max(share, leftMinutes * 0.6)) return undefined;
  return Math.max(share, atLeastMinutes);
}
