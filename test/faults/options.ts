import { parseArgs } from 'node:util';
import { kinds, type Kind } from './kinds.ts';

const help = `Breaks the shop in every way that is known here, many times, and looks whether anything was lost or done twice.

  npm run test:faults                        everything once, as long as it takes (hours)
  npm run test:faults -- --minutes 30        about half an hour, shared out between the kinds
  npm run test:faults -- --only random       one kind; several with commas: --only random,stories
  npm run test:faults -- --seed 7            begins with this seed, to repeat what was found; otherwise with another
                                             one each time, so that runs add up
  npm run test:faults -- --sum               only shows what all runs on this machine have come to
  npm run test:faults -- --help              this text

${kinds.map(({ name, what }) => `  ${name.padEnd(15)}${what}`).join('\n')}

Ctrl-C ends what is under way, cleans up and shows what was done until then; twice ends at once.
Ends with 1 if anything failed. What was found is kept in reports/faults.jsonl.
`;

export interface Options {
  only: Kind[];
  minutes: number | undefined;
  seed: number;
  /** Whether to show what was done until now, and do nothing. */
  sum: boolean;
}

/** Reads the command line; what is wrong is one sentence and exit 1. */
export function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: 'string' },
        only: { type: 'string' },
        seed: { type: 'string' },
        sum: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const { minutes, only, seed, sum } = values;
    return {
      only: only === undefined ? kinds : only.split(',').map(kindOf),
      minutes: minutes === undefined ? undefined : numberOf('minutes', minutes),
      seed: seed === undefined ? newSeed() : numberOf('seed', seed),
      sum,
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    return process.exit(1);
  }
}

function kindOf(name: string): Kind {
  const kind = kinds.find((one) => one.name === name);
  if (!kind) throw new Error(`There is no kind "${name}": there are ${kinds.map((one) => one.name).join(', ')}.`);
  return kind;
}

function numberOf(name: string, given: string): number {
  const number = Number(given);
  if (!(number > 0) || (name === 'seed' && !Number.isSafeInteger(number))) {
    throw new Error(`--${name} must be ${name === 'seed' ? 'a whole number' : 'a number'} above 0.`);
  }
  return number;
}

/** A hundred more each second: no two runs tell the same stories, which are fewer than that a second. */
const newSeed = () => Math.floor(Date.now() / 10) % 2 ** 31;
