import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { giveTo, spawnAs } from '#local/postgres/account.ts';
import type { Account } from '#local/postgres/account.ts';
import { explain } from '#local/postgres/explain.ts';
import type { Programs } from '#local/postgres/programs.ts';

export interface DataFolder {
  folder: string;
  password: string;
}

/**
 * Gives `<dataDir>/postgres` and its password, and makes them at the first start.
 * It appears under its name only when it is complete and on disk, so a start that was cut short leaves nothing broken.
 */
export async function openDataFolder(dataDir: string, programs: Programs, account: Account): Promise<DataFolder> {
  const folder = join(dataDir, 'postgres');
  const passwordFile = join(dataDir, 'postgres.password');
  try {
    if (!(await exists(join(folder, 'PG_VERSION')))) await create(dataDir, folder, passwordFile, programs, account);
  } catch (trouble) {
    throw explain(trouble as Error, dataDir);
  }
  const password = await readFile(passwordFile, 'utf8').catch((cause: unknown) => {
    throw new Error(`${passwordFile} cannot be read: put it back, or remove ${folder} to begin anew.`, { cause });
  });
  return { folder, password: password.trim() };
}

async function create(dataDir: string, folder: string, passwordFile: string, programs: Programs, account: Account) {
  await removeUnfinished(dataDir);
  await writeFile(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true });
  const unfinished = await mkdtemp(join(dataDir, 'postgres.new-'));
  await Promise.all([giveTo(account, unfinished), giveTo(account, passwordFile)]);
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
    // the same order and upper case everywhere, whatever locales the machine has
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    '--no-instructions',
  ];
  const child = spawnAs(account, programs.initdb, args);
  // 'close' comes after all output was read; a program that cannot be started rejects here
  const [said, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code !== 0) throw new Error(said || `initdb ended with ${signal ?? code}`);
}

/** What a start that was cut short left. What an orphaned initdb still writes to goes at the next first start. */
async function removeUnfinished(dataDir: string): Promise<void> {
  const names = (await readdir(dataDir)).filter((name) => name.startsWith('postgres.new-'));
  await Promise.all(names.map((name) => rm(join(dataDir, name), { recursive: true, force: true }).catch(() => {})));
}

/** Without it a power cut could take the new name away, and with it the orders below. */
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
