import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { customersWith, register, type Customer } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, hurryMails, outcomes, placeAndCancel, placeOrders } from '#test/support/load.ts';
import { inspect } from '#test/support/processes.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// Whatever is killed, every accepted order is settled once, charged at most once and notified once.

jest.setTimeout(240_000);

const modes = [
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
];

describe.each(modes)('$mode', ({ processes }) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop({ processes });
  });
  afterEach(() => expectSound(shop));
  afterAll(() => shop?.stop());

  // promise: killed-mid-step
  test('settles and notifies 300 orders once when everything is killed among them and restarted', async () => {
    // of each customer's 15 orders of 100 exactly ten can be paid
    const customers = await customersWith(shop, 20, 1_000);
    const placing = placeOrders(customers, 15);
    await until('a hundred orders are accepted', () => placing.accepted() >= 100);
    await shop.killAll();
    const killed = Date.now();
    const before = [...shop.history.accepted];
    const restarted = Date.now();
    await shop.restart();
    const openMs = Date.now() - restarted;
    const early = await settledAndNotified(shop, before, restarted);
    const orders = await placing.done;
    const late = await settledAndNotified(shop, orders, restarted);
    expect(orders).toHaveLength(300);
    expect(await outcomes(shop, orders)).toEqual({ paid: 200, rejected: 100 });
    const mails = await hurryMails(shop, killed);
    report(
      `killed with ${before.length} of 300 accepted: open again after ${seconds(openMs)}, those settled after ` +
        `${seconds(early.settledMs)} and notified after ${seconds(early.notifiedMs)}, all 300 after ${seconds(late.notifiedMs)}; ` +
        `${mails} mails had to wait for their minute`,
    );
    record({ fault: 'everything killed at once', count: 1, orders: 300, recoveriesMs: [early.notifiedMs] });
  });

  // promise: database-outage
  test('settles and notifies every order once when Postgres is killed under load', async () => {
    const customers = await customersWith(shop, 20, 1_000);
    const placing = placeOrders(customers, 10);
    await until('fifty orders are accepted', () => placing.accepted() >= 50);
    shop.kill('postgres');
    const killed = Date.now();
    const orders = await placing.done;
    const { settledMs, notifiedMs } = await settledAndNotified(shop, orders, killed);
    expect(await outcomes(shop, orders)).toEqual({ paid: 200 });
    await hurryMails(shop, killed);
    report(
      `200 orders were settled ${seconds(settledMs)} and notified ${seconds(notifiedMs)} after Postgres was killed`,
    );
    record({ fault: 'Postgres killed', count: 1, orders: 200, recoveriesMs: [notifiedMs] });
  });

  // promise: killed-mid-step
  test('ends all children when only the parent process is killed, and settles every order after its restart', async () => {
    const customers = await customersWith(shop, 20, 1_000);
    const placing = placeOrders(customers, 5);
    await until('fifty orders are accepted', () => placing.accepted() >= 50);
    const killed = Date.now();
    const children = await shop.killParent();
    await shop.restart();
    const openMs = Date.now() - killed;
    const orders = await placing.done;
    const { notifiedMs } = await settledAndNotified(shop, orders, killed);
    expect(await outcomes(shop, orders)).toEqual({ paid: 100 });
    await until('its children have ended', () => !children.some((pid) => inspect(pid)), 15_000);
    await hurryMails(shop, killed);
    report(
      `open again ${seconds(openMs)} after only the parent was killed, all 100 orders notified after ${seconds(notifiedMs)}`,
    );
    record({ fault: 'supervisor killed', count: 1, orders: 100, recoveriesMs: [notifiedMs] });
  });

  if (processes) childrenTests(() => shop);
});

/** Sends one request on a new connection; resolves when the connection ends, with or without a response. */
function visit(url: string): Promise<void> {
  const { port, host } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1', () => {
    socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
  socket.resume().on('error', () => undefined);
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Kills the processes that only exist when each function runs in its own. */
function childrenTests(shop: () => Shop): void {
  const killed = [
    ...['storefront', 'register-user', 'log-in', 'deposit-money', 'create-account', 'create-order', 'cancel-order'],
    ...['charge-account', 'refund-charge', 'settle-order', 'send-notification', 'park-event', 'sweep', 'replay-events'],
    'broker',
  ];

  test('leaves no connection waiting when the storefront is killed while customers connect', async () => {
    let open = 0;
    for (let round = 0; round < 200; round += 1) {
      for (let count = 0; count < 5; count += 1) {
        open += 1;
        void visit(shop().url).then(() => {
          open -= 1;
        });
      }
      if (round === 100) shop().kill('storefront');
      await setImmediate();
    }
    await until('no connection is left waiting', () => open === 0, 30_000);
  });

  // promise: killed-mid-step
  test('settles and notifies every order once when each process in turn is killed under load', async () => {
    for (const name of killed) {
      const before = shop().pidOf(name);
      const customers = await customersWith(shop(), 5, 500);
      const placing = placeOrders(customers, 5);
      const newcomer = register(shop()).then(async (customer: Customer) => {
        await customer.deposit(500);
        const { id } = await customer.order('pen');
        await customer.cancel(id);
        await customer.settled(id);
        return (await customer.order('pen')).id;
      });
      await until('a few orders are accepted', () => placing.accepted() >= 5);
      shop().kill(name);
      const began = Date.now();
      const orders = [...(await placing.done), await newcomer];
      const { settledMs, notifiedMs } = await settledAndNotified(shop(), orders, began);
      if (name === 'send-notification') await hurryMails(shop(), began);
      expect({ name, ...(await outcomes(shop(), orders)) }).toEqual({ name, paid: 26 });
      await until(`${name} was replaced`, () => ![undefined, before].includes(shop().pidOf(name)));
      report(
        `${name.padEnd(17)} killed: 26 orders settled after ${seconds(settledMs)}, notified after ${seconds(notifiedMs)}`,
      );
      record({ fault: 'each process killed', count: 1, orders: 26, recoveriesMs: [notifiedMs] });
    }
  });
}

describe.each([
  { what: 'loses one event in five (all functions in one process)', processes: false, brokerFaults: 'drop=0.2,seed=7' },
  {
    what: 'loses one event in five, repeats, delays and reorders (each function a process of its own)',
    processes: true,
    brokerFaults: 'drop=0.2,duplicate=0.1,reorder=0.2,delay=50,seed=7',
  },
])('a broker that $what', ({ processes, brokerFaults }) => {
  let shop: Shop;
  beforeAll(async () => {
    // one of the two uses the shop's own mail catcher
    shop = await startShop({ processes, brokerFaults, mailCatcher: !processes });
  });
  afterAll(() => shop?.stop());

  // promise: lossy-broker
  test('does not keep 300 orders from being settled and notified within a minute', async () => {
    const customers = await customersWith(shop, 20, 1_000);
    const began = Date.now();
    const orders = await placeOrders(customers, 15).done;
    const { settledMs, notifiedMs } = await settledAndNotified(shop, orders, began, 60_000);
    expect(await outcomes(shop, orders)).toEqual({ paid: 200, rejected: 100 });
    report(`300 orders were settled after ${seconds(settledMs)} and notified after ${seconds(notifiedMs)}`);
    await expectSound(shop);
    record({ fault: 'broker that loses events', count: 1, orders: 300, recoveriesMs: [notifiedMs] });
  });

  test('does not keep 50 canceled orders from returning their money within a minute', async () => {
    const customers = await customersWith(shop, 5, 1_000);
    const began = Date.now();
    const orders = await placeAndCancel(customers, 10);
    const ended = await until(
      'every cancel has ended',
      async () => {
        const { canceled = 0, refunded = 0 } = await outcomes(shop, orders);
        return canceled + refunded === 50 && { canceled, refunded };
      },
      60_000,
    );
    report(`50 cancels ended after ${seconds(Date.now() - began)}: ${JSON.stringify(ended)}`);
    await expectSound(shop);
    record({ fault: 'broker that loses events', count: 1, orders: 50 });
    for (const customer of customers) expect(await customer.account()).toMatchObject({ balance: 1_000 });
  });
});

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
