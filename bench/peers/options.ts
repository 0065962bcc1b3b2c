import { count, readCommandLine } from '../command-line.ts';

/** The systems, in the order in which they are measured; a peer is a file in systems/. */
export const shops = ['shop', 'shop-processes'] as const;
export const peers = ['nestjs-nats', 'dbos', 'restate', 'pg-boss', 'graphile-worker'] as const;
export type ShopName = (typeof shops)[number];
export type PeerName = (typeof peers)[number];
export type Name = ShopName | PeerName;

const names: readonly Name[] = [...shops, ...peers];

const help = `Measures the shop's order scenario on other systems, side by side with the shop.

  npm run bench:peers                     all systems, two rounds; about 8 minutes
  npm run bench:peers -- --only restate   the shop in one process and this system; repeatable
  npm run bench:peers -- --rounds 3       rounds, each of which measures every system once (2, with --quick 1)
  npm run bench:peers -- --seconds 10     duration of each saturation and each steady load (6, with --quick 3)
  npm run bench:peers -- --quick          one short round, the shop in one process only
  npm run bench:peers -- --kill           instead: kill -9 during 300 orders; counts lost and stuck orders after 60 s
  npm run bench:peers -- --help           this text

Systems: ${names.join(', ')}.
The first run installs the peers' packages in bench/peers (300 MB). nestjs-nats needs nats-server on the PATH, and is
skipped without it.
The table goes to standard output, progress to standard error, everything to reports/peers.json.
Exits with 1 if fsync or synchronous_commit is off, or if a system refused, lost or repeated an order.
`;

export interface Options {
  names: Name[];
  rounds: number;
  seconds: number;
  kill: boolean;
}

const flags = {
  only: { type: 'string', multiple: true, default: [] as string[] },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  kill: { type: 'boolean', default: false },
} as const;

export const readOptions = (): Options =>
  readCommandLine(help, flags, ({ only, quick, kill, rounds, seconds }) => {
    const unknown = only.find((one) => !names.some((name) => name === one));
    if (unknown !== undefined) throw new Error(`There is no system ${unknown}; there are ${names.join(', ')}.`);
    const isWanted = (name: Name) => {
      if (only.length > 0) return only.includes(name) || (name === 'shop' && !kill);
      return !(quick && name === 'shop-processes');
    };
    return {
      names: names.filter(isWanted),
      rounds: count('rounds', rounds, quick ? 1 : 2),
      seconds: count('seconds', seconds, quick ? 3 : 6),
      kill,
    };
  });
