import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, jest } from '@jest/globals';
import { putStandIns, type Call, type Cluster, type StandIns } from './stand-ins.ts';

// ./shop.sh without a cluster, on a PATH that has only what macOS has: the other programs that it calls are stand-ins,
// which record their calls (stand-ins.ts).

// the programs in /bin and /usr/bin of macOS that the script may use
const onMacos =
  'awk bash basename cat chmod cp cut date dirname env grep head kill ls mkdir mktemp mv rm sed seq sh sleep sort tail tr'.split(
    ' ',
  );

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
  /** The calls of the stand-ins. */
  calls: Call[];
}

export interface Script {
  /** A folder of the test, which contains `bin` and `product`. */
  readonly folder: string;
  readonly standIns: StandIns;
  /** The path of ./shop.sh. */
  readonly file: string;
  environment(settings: Record<string, string>): Record<string, string>;
  /** Runs the script and waits for its end. */
  run(args: string[], settings?: Record<string, string>): Promise<Outcome>;
  /** Puts the cluster into the state after `start`, which runs once for all tests of the file. */
  startOnce(args: string[], settings?: Record<string, string>): Promise<void>;
}

/** Prepares a folder with the product, the stand-ins and an empty cluster before each test. */
export function useScript(): Script {
  jest.setTimeout(120_000);
  const started = new Map<string, string>();
  let standIns: StandIns;
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'shop script '));
    const bin = path.join(folder, 'bin');
    mkdirSync(bin);
    for (const name of onMacos)
      symlinkSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), path.join(bin, name));
    symlinkSync(process.execPath, path.join(bin, 'node'));
    standIns = await putStandIns(bin);
    // the product, with the Node of the machine: npm brings none on macOS
    const product = path.join(folder, 'product');
    mkdirSync(path.join(product, 'node_modules'), { recursive: true });
    for (const name of readdirSync('.').filter((one) => !['node_modules', '.git'].includes(one)))
      symlinkSync(path.resolve(name), path.join(product, name));
  });
  afterEach(() => {
    standIns.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const script: Script = {
    get folder() {
      return folder;
    },
    get standIns() {
      return standIns;
    },
    get file() {
      return path.join(folder, 'product', 'shop.sh');
    },
    environment: (settings) => ({
      PATH: path.join(folder, 'bin'),
      HOME: folder,
      TMPDIR: folder,
      ...settings,
    }),
    run: async (args, settings = {}) => {
      standIns.calls = [];
      const running = spawn('bash', [script.file, ...args], {
        env: script.environment(settings),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [status]] = await Promise.all([
        text(running.stdout),
        text(running.stderr),
        once(running, 'exit'),
      ]);
      return { status: status as number | null, stdout, stderr, calls: standIns.calls };
    },
    startOnce: async (args, settings = {}) => {
      const known = started.get(args.join(' '));
      if (known !== undefined) {
        standIns.cluster = JSON.parse(known) as Cluster;
        return;
      }
      const { status, stderr } = await script.run(['start', ...args], settings);
      if (status !== 0) throw new Error(stderr);
      started.set(args.join(' '), JSON.stringify(standIns.cluster));
    },
  };
  return script;
}

/** The arguments of each call of a program. */
export const linesOf = (calls: Call[], program: string): string[] =>
  calls.filter((call) => call.program === program).map(({ args }) => args.join(' '));

/** The settings of a shop on an existing cluster. */
export const existing = { IMAGE_REGISTRY: 'registry.example' };
