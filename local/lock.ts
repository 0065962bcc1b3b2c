import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What other tools on this machine need to know about a running shop (`npm run newman` reads it). */
export interface ShopFile {
  pid: number;
  url: string;
  mailUrl: string | null;
  adminEmail: string;
  adminPassword: string;
  /** Whether each function runs in its own process, which can be restarted separately. */
  processes: boolean;
}

const fileIn = (dataDir: string) => path.join(dataDir, 'shop.json');

/** The shop that runs on a data folder, if any. */
export function runningShop(dataDir: string): ShopFile | undefined {
  try {
    const shop = JSON.parse(readFileSync(fileIn(dataDir), 'utf8')) as ShopFile;
    process.kill(shop.pid, 0);
    return isShop(shop.pid) ? shop : undefined;
  } catch {
    return undefined;
  }
}

/** Announces this shop in a file that only its owner can read, because it contains the administrator's password. */
export function announceShop(dataDir: string, shop: ShopFile): void {
  writeFileSync(fileIn(dataDir), JSON.stringify(shop, null, 2), { mode: 0o600 });
}

export function forgetShop(dataDir: string): void {
  rmSync(fileIn(dataDir), { force: true });
}

// after a crash another process may have the pid; without /proc the pid has to suffice
function isShop(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('start.ts');
  } catch {
    return process.platform !== 'linux';
  }
}
