import { parseArgs } from 'node:util';

/** The systems, in the order in which they are measured; a peer is a file in systems/. */
export const shops = ['shop', 'shop-processes'] as const;
export const peers = ['nestjs-nats', 'dbos', 'restate', 'pg-boss', 'graphile-worker'] as const;
export type Shop = (typeof shops)[number];
export type PeerName = (typeof peers)[number];
export type Name = Shop | PeerName;

const names: readonly Name[] = [...shops, ...peers];

const help = `Measures the shop's order scenario on other systems, side by side with the shop.

  npm run bench:peers                     all of them, two rounds; 8 minutes or so
  npm run bench:peers -- --only restate   the shop in one process and this one; may be given several times
  npm run bench:peers -- --rounds 3       how often each is measured (2, with --quick 1)
  npm run bench:peers -- --seconds 10     how long each saturation and each steady load lasts (6, with --quick 3)
  npm run bench:peers -- --quick          one short round, the shop in one process only
  npm run bench:peers -- --kill           instead: kill -9 in the middle of 300 orders; what is lost or stuck after 60 s
  npm run bench:peers -- --help           this text

Systems: ${names.join(', ')}.
The first use installs the peers' packages below bench/peers (300 MB); nestjs-nats needs nats-server on the PATH,
and is left out where it is not.
The table goes to standard output, the progress to standard error, everything to reports/peers.json.
Ends with 1 if fsync or synchronous_commit is off, or if a system refused, lost or repeated an order.
`;

export interface Options {
  names: Name[];
  rounds: number;
  seconds: number;
  kill: boolean;
}

/** Reads the command line; what is wrong is one sentence and exit 1. */
export function readOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        kill: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const { only, quick, kill } = values;
    const unknown = only.find((one) => !names.some((name) => name === one));
    if (unknown !== undefined) throw new Error(`There is no ${unknown}; there are ${names.join(', ')}.`);
    const wanted = (name: Name) => {
      if (only.length > 0) return only.includes(name) || (name === 'shop' && !kill);
      return !(quick && name === 'shop-processes');
    };
    return {
      names: names.filter(wanted),
      rounds: count('rounds', values.rounds, quick ? 1 : 2),
      seconds: count('seconds', values.seconds, quick ? 3 : 6),
      kill,
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    return process.exit(1);
  }
}

function count(name: string, given: string | undefined, standard: number): number {
  if (given === undefined) return standard;
  if (!/^[1-9]\d{0,2}$/.test(given)) throw new Error(`--${name} takes a whole number from 1 to 999.`);
  return Number(given);
}
