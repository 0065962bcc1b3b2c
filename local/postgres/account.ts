import { execFile, spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Who runs Postgres: this user, or – because Postgres refuses to run as root – the user `postgres`. */
export interface Account {
  user?: { uid: number; gid: number };
  /** What stands before each command, when more than a change of user is needed. */
  prefix: string[];
}

/** Chooses who runs Postgres. `paths` are what it must be able to reach. */
export async function chooseAccount(paths: string[]): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const user = await findOrCreateUser();
  for (const path of paths) {
    if (!(await mayEnter(await realpath(path), user))) return { user, prefix: await passEveryFolder(path, user) };
  }
  return { user, prefix: [] };
}

/** A program that says what it has to say on its error output. */
export type Program = ChildProcessByStdio<null, null, Readable>;

/** Starts a program under the account, with an environment in which nothing but our arguments steers Postgres. */
export function spawnAs(account: Account, program: string, args: string[], detached = false): Program {
  const [command = program, ...rest] = [...account.prefix, program, ...args];
  // TZ spares initdb its search for the time zone; LC_ALL keeps messages in the English that we look for
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
  const identity = account.prefix.length === 0 ? account.user : {};
  return spawn(command, rest, { detached, env, ...identity, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Makes the account the owner of a file or folder. */
export async function giveTo({ user }: Account, path: string): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}

async function findOrCreateUser(): Promise<{ uid: number; gid: number }> {
  const known = await findUser().catch(() => undefined);
  if (known) return known;
  try {
    await run('groupadd', ['--system', '--force', 'postgres']);
    await run('useradd', ['--system', '--gid', 'postgres', '--no-create-home', 'postgres']);
    return await findUser();
  } catch (cause) {
    throw new Error(
      'Postgres refuses to run as root and the user postgres could not be created: create it, or start as another user.',
      { cause },
    );
  }
}

async function findUser(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** Whether a user may pass through a path's folders and enter, or execute, what is at its end. */
async function mayEnter(path: string, user: { uid: number; gid: number }): Promise<boolean> {
  const { uid, gid, mode } = await stat(path);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if (!(mode & bit)) return false;
  return path === dirname(path) || mayEnter(dirname(path), user);
}

/**
 * A project under /root, for example, lies where the user postgres cannot go.
 * It then keeps one of root's rights, the least that lets it pass through folders.
 */
async function passEveryFolder(path: string, { uid, gid }: { uid: number; gid: number }): Promise<string[]> {
  const right = await rightToPass();
  try {
    await run('setpriv', ['--version']);
  } catch (cause) {
    throw new Error(
      `The user postgres may not enter ${path}: install setpriv (util-linux), move the project to where every user may go, or start as another user.`,
      { cause },
    );
  }
  return [
    'setpriv',
    ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
    ...[`--inh-caps=+${right}`, `--ambient-caps=+${right}`],
    // Postgres looks for its programs with access(2), which without this leaves such rights out of account
    '--securebits=+no_setuid_fixup',
  ];
}

/** Reading suffices, but a container is by default not given that right, only the stronger one. */
async function rightToPass(): Promise<'dac_read_search' | 'dac_override'> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const capDacReadSearch = 1n << 2n; // capabilities(7), linux/capability.h
  return held & capDacReadSearch ? 'dac_read_search' : 'dac_override';
}
