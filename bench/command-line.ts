import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

type Values<Config extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: Config }>>['values'];

/** Reads the command line. Prints the help and exits for `--help`, and after an error, which is one sentence and exit 1. */
export function readCommandLine<Config extends ParseArgsOptionsConfig, Options>(
  help: string,
  options: Config,
  read: (values: Values<Config>) => Options,
): Options {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } });
    if ((values as { help?: boolean }).help) {
      process.stdout.write(help);
      process.exit(0);
    }
    return read(values);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    return process.exit(1);
  }
}

/** An option that is a whole number of at least 1; `fallback` if it is not given. */
export function count(name: string, given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  if (!/^[1-9]\d{0,6}$/.test(given)) throw new Error(`--${name} must be a whole number of at least 1.`);
  return Number(given);
}
