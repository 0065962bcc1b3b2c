import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { useEverything } from '#test/support/everything.ts';
import { expectSound } from '#test/support/invariants.ts';
import { hurryMails } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { firstSeed, hasTime, record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// Each function kills itself with SIGKILL at each step of its work: before its statement, while the statement holds its
// locks, after the commit, before and after a reply, a mail and a publication. Every order is settled and notified
// once.

const statements: Record<string, string[]> = {
  'register-user': ['register-user.insert', 'outbox.take_due'],
  'log-in': ['log-in.find'],
  'create-account': ['create-account.insert'],
  'deposit-money': ['deposit-money.insert', 'outbox.take_due'],
  'create-order': ['create-order.insert', 'outbox.take_due'],
  'cancel-order': ['cancel-order.cancel', 'outbox.take_due'],
  'charge-account': ['charge-account.decide'],
  'refund-charge': ['refund-charge.void', 'refund-charge.refund'],
  'settle-order': ['settle-order.settle'],
  'send-notification': ['send-notification.record', 'send-notification.mark', 'send-notification.take_due'],
  'park-event': ['park-event.park'],
  sweep: ['sweep.park', 'outbox.take_due'],
  storefront: ['storefront.account'],
};
const around = (what: string) => [`before ${what}`, `after ${what}`];
const publishers = new Set(['register-user', 'deposit-money', 'create-order', 'cancel-order']);

const all = Object.entries(statements).flatMap(([name, its]) => {
  const points = its.flatMap((statement) => [`before ${statement}`, `within ${statement}`, `after ${statement}`]);
  points.push(...around('reply'));
  if (publishers.has(name)) points.push(...around('publishing'));
  if (name === 'send-notification') points.push(...around('mail'));
  if (name === 'storefront') points.push(...around('call'));
  return points.map((point) => `${name} ${point}`);
});
const few = [
  'create-order after create-order.insert',
  'create-order before reply',
  'deposit-money after deposit-money.insert',
  'charge-account within charge-account.decide',
  'charge-account after charge-account.decide',
  'refund-charge after refund-charge.refund',
  'settle-order before reply',
  'send-notification after send-notification.record',
  'send-notification after mail',
];

const count = sized(few.length, all.length);
jest.setTimeout(120_000 + count * 60_000);

let shop: Shop;
const folder = mkdtempSync(path.join(tmpdir(), 'shop-points-'));
beforeAll(async () => {
  // a URL, because the name of a folder may contain a space
  const preload = new URL('../support/fail-points.ts', import.meta.url).href;
  const env = { NODE_OPTIONS: `--import ${preload}`, FAIL_POINTS: folder };
  shop = await startShop({ processes: true, env });
});
afterAll(async () => {
  await shop?.stop();
  rmSync(folder, { recursive: true });
});

test('selects only points that exist for the short form', () => {
  expect(all).toEqual(expect.arrayContaining(few));
});

// promise: killed-at-any-time
test('settles and notifies every order once when a function is killed at any step of its work', async () => {
  const began = Date.now();
  const recoveriesMs: number[] = [];
  for (const point of count === few.length ? few : rotated(all)) {
    if (!hasTime(began)) break;
    recoveriesMs.push(await killAt(point));
  }
  record({ fault: 'kill at a step', count: recoveriesMs.length, orders: recoveriesMs.length * 2, recoveriesMs });
});

/** Starts at a point that depends on the seed, so that runs which end early cover all points together. */
function rotated(points: string[]): string[] {
  const start = firstSeed % points.length;
  return [...points.slice(start), ...points.slice(0, start)];
}

/** Returns the milliseconds from the kill until every order that had been placed was settled. */
async function killAt(point: string): Promise<number> {
  const [name = ''] = point.split(' ');
  const file = path.join(folder, point);
  const before = shop.pidOf(name);
  writeFileSync(file, '');
  const using = useEverything(shop);
  using.catch(() => undefined);
  await until(`${point} is reached`, () => !existsSync(file));
  const died = Date.now();
  if (name === 'send-notification') shop.history.kills += 1;
  await using;
  const recoveryMs = Date.now() - died;
  await until(`${name} was replaced`, () => ![undefined, before].includes(shop.pidOf(name)));
  if (name === 'send-notification') await hurryMails(shop, died);
  await expectSound(shop);
  report(`${point.padEnd(50)} all settled after ${(recoveryMs / 1_000).toFixed(1)} s`);
  return recoveryMs;
}
