import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { changeOwner, spawnAs } from '#local/postgres/account.ts';
import type { Account } from '#local/postgres/account.ts';
import { explain } from '#local/postgres/explain.ts';
import type { Programs } from '#local/postgres/programs.ts';

export interface DataFolder {
  folder: string;
  password: string;
}

/**
 * Returns `<dataDir>/postgres` and its password; creates both at the first start. The folder gets its name only when it
 * is complete and on disk, so an interrupted start leaves nothing broken.
 */
export async function openDataFolder(dataDir: string, programs: Programs, account: Account): Promise<DataFolder> {
  const folder = join(dataDir, 'postgres');
  const passwordFile = join(dataDir, 'postgres.password');
  try {
    if (!(await exists(join(folder, 'PG_VERSION')))) await create(dataDir, folder, passwordFile, programs, account);
  } catch (error) {
    throw explain(error as Error, dataDir);
  }
  const password = await readFile(passwordFile, 'utf8').catch((cause: unknown) => {
    throw new Error(
      `${passwordFile} cannot be read: restore it, or remove ${folder} to start with an empty database.`,
      { cause },
    );
  });
  return { folder, password: password.trim() };
}

async function create(dataDir: string, folder: string, passwordFile: string, programs: Programs, account: Account) {
  await removeUnfinished(dataDir);
  await writeFile(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true });
  const unfinished = await mkdtemp(join(dataDir, 'postgres.new-'));
  await Promise.all([changeOwner(account, unfinished), changeOwner(account, passwordFile)]);
  await initdb(unfinished, passwordFile, programs, account);
  await rename(unfinished, folder);
  await flushFolder(dataDir);
}

async function initdb(folder: string, passwordFile: string, programs: Programs, account: Account): Promise<void> {
  const args = [
    `--pgdata=${folder}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // the same collation on every machine, whatever locales it has
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    '--no-instructions',
  ];
  const child = spawnAs(account, programs.initdb, args);
  // 'close' is emitted after all output was read; rejects if the program cannot be started
  const [errors, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code !== 0) throw new Error(errors || `initdb exited with ${signal ?? code}`);
}

/** Removes what interrupted starts left, except where an orphaned initdb still writes. */
async function removeUnfinished(dataDir: string): Promise<void> {
  const names = (await readdir(dataDir)).filter((name) => name.startsWith('postgres.new-'));
  await Promise.all(names.map((name) => rm(join(dataDir, name), { recursive: true, force: true }).catch(() => {})));
}

/** Otherwise a power failure could undo the rename, and lose the data below. */
async function flushFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
