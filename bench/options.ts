import { count, readCommandLine } from './command-line.ts';

const help = `Measures the shop on this machine, next to the same SQL without HTTP and events (the baseline).

  npm run bench                      one process, then each function in its own process, then five other systems
                                     (npm run bench:peers); about 25 minutes
  npm run bench -- --no-peers        without the other systems; about 15 minutes
  npm run bench -- --quick           one process, two repetitions, one rate; under 2 minutes
  npm run bench -- --processes       only each function in its own process; also with --quick
  npm run bench -- --seconds 10      duration of each saturation (8, with --quick 4)
  npm run bench -- --repetitions 5   repetitions of each measurement (3, with --quick 2)
  npm run bench -- --stored 100000   stored orders during the last saturation (1,000,000; 0 = skip it)
  npm run bench -- --soak 10         only a saturation for this many minutes, while a transaction stays open
  npm run bench -- --help            this text

The table goes to standard output, progress to standard error, everything to reports/bench.json.
Exits with 1 if fsync or synchronous_commit is off, if an order was refused or lost, or if an invariant is violated.
`;

export type Mode = 'one process' | 'processes';

export interface Options {
  quick: boolean;
  modes: Mode[];
  repetitions: number;
  /** Duration of each saturation, in each repetition. */
  seconds: number;
  /** Rates of the open loop in orders per second, ascending. */
  rates: number[];
  /** Stored orders during the last saturation; 0 skips it. */
  stored: number;
  /** Whether to measure the other systems at the end. */
  peers: boolean;
  /** Duration of the soak, which is then the only measurement; 0 skips it. */
  soakMinutes: number;
}

const flags = {
  quick: { type: 'boolean', default: false },
  processes: { type: 'boolean', default: false },
  seconds: { type: 'string' },
  repetitions: { type: 'string' },
  stored: { type: 'string' },
  soak: { type: 'string' },
  'no-peers': { type: 'boolean', default: false },
} as const;

export const readOptions = (): Options =>
  readCommandLine(help, flags, ({ quick, processes, ...values }) => ({
    quick,
    modes: [
      ...(processes ? [] : (['one process'] as const)),
      ...(processes || !(quick || values.soak !== undefined) ? (['processes'] as const) : []),
    ],
    repetitions: count('repetitions', values.repetitions, quick ? 2 : 3),
    seconds: count('seconds', values.seconds, quick ? 4 : 8),
    rates: quick ? [100] : [50, 100, 200, 500],
    stored: values.stored === '0' ? 0 : count('stored', values.stored, quick ? 0 : 1_000_000),
    peers: !quick && !processes && values.soak === undefined && !values['no-peers'],
    soakMinutes: count('soak', values.soak, 0),
  }));
