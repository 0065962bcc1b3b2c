import { parseArgs } from 'node:util';

const help = `Measures the shop on this machine, beside the same SQL without HTTP and events (the baseline).

  npm run bench                      one process, then every function in a process of its own, then five other systems
                                     beside both (npm run bench:peers); 25 minutes or so
  npm run bench -- --no-peers        without the other systems; 15 minutes or so
  npm run bench -- --quick           one process, two repetitions, one rate; under 2 minutes
  npm run bench -- --processes       only with every function in a process of its own; also with --quick
  npm run bench -- --seconds 10      how long each saturation lasts (8, with --quick 4)
  npm run bench -- --repetitions 5   how often everything is measured (3, with --quick 2)
  npm run bench -- --stored 100000   beside how many stored orders a saturation is measured at the end (1,000,000; 0 = not)
  npm run bench -- --soak 10         only so many minutes of saturation, with a reader who keeps a transaction open
  npm run bench -- --help            this text

The table goes to standard output, the progress to standard error, everything to reports/bench.json.
Ends with 1 if fsync or synchronous_commit is off, if an order was refused or lost, or if an invariant is violated.
`;

export type Mode = 'one process' | 'processes';

export interface Options {
  quick: boolean;
  modes: Mode[];
  repetitions: number;
  /** How long each saturation lasts, with each repetition. */
  seconds: number;
  /** Orders a second that are sent in open loop, ascending. */
  rates: number[];
  /** How many orders are stored for the last saturation; 0 = there is none. */
  stored: number;
  /** Whether the other systems are measured too, at the end. */
  peers: boolean;
  /** How long the soak takes, which is then all that is measured; 0 = there is none. */
  soakMinutes: number;
}

/** Reads the command line; what is wrong is one sentence and exit 1. */
export function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        processes: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        repetitions: { type: 'string' },
        stored: { type: 'string' },
        soak: { type: 'string' },
        'no-peers': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const { quick, processes } = values;
    return {
      quick,
      modes:
        values.soak !== undefined
          ? [processes ? 'processes' : 'one process']
          : processes
            ? ['processes']
            : quick
              ? ['one process']
              : ['one process', 'processes'],
      repetitions: count('repetitions', values.repetitions, quick ? 2 : 3),
      seconds: count('seconds', values.seconds, quick ? 4 : 8),
      rates: quick ? [100] : [50, 100, 200, 500],
      stored: values.stored === '0' ? 0 : count('stored', values.stored, quick ? 0 : 1_000_000),
      peers: !quick && !processes && values.soak === undefined && !values['no-peers'],
      soakMinutes: count('soak', values.soak, 0),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    return process.exit(1);
  }
}

function count(name: string, given: string | undefined, standard: number): number {
  if (given === undefined) return standard;
  if (!/^[1-9]\d{0,6}$/.test(given)) throw new Error(`--${name} takes a whole number from 1 on.`);
  return Number(given);
}
