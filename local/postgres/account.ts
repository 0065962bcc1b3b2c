import { execFile, spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The user that runs Postgres: the current one, or `postgres` instead of root, which Postgres refuses. */
export interface Account {
  user?: { uid: number; gid: number };
  /** A command prefix, where changing the user is not enough. */
  prefix: string[];
}

/** Chooses the user that runs Postgres. `paths` are the files and folders that it has to access. */
export async function chooseAccount(paths: string[]): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const user = await findOrCreateUser();
  for (const path of paths) {
    if (!(await hasAccess(await realpath(path), user)))
      return { user, prefix: await traverseWithCapability(path, user) };
  }
  return { user, prefix: [] };
}

/** A program that reports on its standard error. */
export type Program = ChildProcessByStdio<null, null, Readable>;

/** Starts a program as the account, with an environment that does not affect Postgres: only `args` do. */
export function spawnAs(account: Account, program: string, args: string[], detached = false): Program {
  const [command = program, ...rest] = [...account.prefix, program, ...args];
  // TZ saves initdb the search for the time zone; LC_ALL keeps the messages in English, which explain.ts parses
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
  const identity = account.prefix.length === 0 ? account.user : {};
  return spawn(command, rest, { detached, env, ...identity, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Makes the account the owner of a file or folder. */
export async function changeOwner({ user }: Account, path: string): Promise<void> {
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

/** Whether a user may traverse the folders of a path and enter, or execute, its last part. */
async function hasAccess(path: string, user: { uid: number; gid: number }): Promise<boolean> {
  const { uid, gid, mode } = await stat(path);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if (!(mode & bit)) return false;
  return path === dirname(path) || hasAccess(dirname(path), user);
}

/**
 * The user postgres cannot reach a project under /root, for example. It then gets one of root's capabilities, the
 * weakest that allows it to traverse folders.
 */
async function traverseWithCapability(path: string, { uid, gid }: { uid: number; gid: number }): Promise<string[]> {
  const capability = await traverseCapability();
  try {
    await run('setpriv', ['--version']);
  } catch (cause) {
    throw new Error(
      `The user postgres may not enter ${path}: install setpriv (util-linux), move the project to a folder that every user may enter, or start as another user.`,
      { cause },
    );
  }
  return [
    'setpriv',
    ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
    ...[`--inh-caps=+${capability}`, `--ambient-caps=+${capability}`],
    // without it access(2), with which Postgres finds its programs, ignores capabilities
    '--securebits=+no_setuid_fixup',
  ];
}

/** dac_read_search is enough, but containers by default only have the stronger one. */
async function traverseCapability(): Promise<'dac_read_search' | 'dac_override'> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const capDacReadSearch = 1n << 2n; // capabilities(7), linux/capability.h
  return held & capDacReadSearch ? 'dac_read_search' : 'dac_override';
}
