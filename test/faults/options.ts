import { parseArgs } from 'node:util';
import { kinds, type Kind } from './kinds.ts';

const help = `Breaks the shop in every known way and checks that nothing is lost, done twice or stuck.

  npm run test:faults                        the short form: every file of test/faults once
  npm run test:faults -- kills               the short form of the files whose path matches one of the patterns;
                                             with -t NAME only of the tests whose name matches
  npm run test:faults -- --long              the long form: every kind below, with many seeds (hours)
  npm run test:faults -- --minutes 30        the long form in about half an hour, shared between the kinds
  npm run test:faults -- --only random       the long form of one kind; several with commas: --only random,scenarios
  npm run test:faults -- --seed 7            the long form from this seed on, to repeat a failure; without it every
                                             run starts at another seed, so that runs add up
  npm run test:faults -- --sum               only prints the totals of all long runs on this machine
  npm run test:faults -- --help              this text

Kinds of the long form:

${kinds.map(({ name, what }) => `  ${name.padEnd(15)}${what}`).join('\n')}

The short form ends with the line "N passed, N failed". The long form ends with a table of faults, orders and recovery
times; its results are appended to reports/faults.jsonl. Ctrl-C finishes the test in flight and prints the table so far;
a second Ctrl-C stops at once. Exits with 1 if a test has failed.
`;

export interface ShortOptions {
  form: 'short';
  /** Regular expressions for the paths of the files; none selects every file. */
  patterns: string[];
  /** A regular expression for the names of the tests. */
  testName: string | undefined;
}

export interface LongOptions {
  form: 'long';
  only: Kind[];
  minutes: number | undefined;
  seed: number;
}

/** `sum` runs nothing and prints the stored results. */
export type Options = ShortOptions | LongOptions | { form: 'sum' };

/** Reads the command line; an error is printed as one sentence before the help text, and the process exits with 1. */
export function readOptions(args: string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        long: { type: 'boolean', default: false },
        minutes: { type: 'string' },
        only: { type: 'string' },
        seed: { type: 'string' },
        testNamePattern: { type: 'string', short: 't' },
        sum: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const { long, minutes, only, seed, sum, testNamePattern: testName } = values;
    if (sum) return { form: 'sum' };
    if (!long && [minutes, only, seed].every((value) => value === undefined)) {
      return { form: 'short', patterns: positionals, testName };
    }
    if (positionals.length > 0 || testName !== undefined) {
      throw new Error('Patterns select tests of the short form; the long form takes --only.');
    }
    return {
      form: 'long',
      only: only === undefined ? kinds : only.split(',').map(kindOf),
      minutes: minutes === undefined ? undefined : numberOf('minutes', minutes),
      seed: seed === undefined ? newSeed() : numberOf('seed', seed),
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

/** Advances by 100 a second, faster than any run uses seeds, so that no two runs repeat a scenario. */
const newSeed = () => Math.floor(Date.now() / 10) % 2 ** 31;
