import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { backgroundDone } from '#platform/runtime/background.ts';
import { continueChain, type ShopEvent } from '#platform/events/event.ts';
import type { EventHandle } from '#platform/events/on-event.ts';
import { signed } from '#platform/events/signature.ts';

useDatabase();

// a mail server whose answer each test chooses
const mails: { to: string; text: string }[] = [];
let verdict: Error | undefined;
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onRcptTo: (_address, _session, done) => done(verdict),
  onData: keepMail,
});
function keepMail(stream: SMTPServerDataStream, session: SMTPServerSession, done: () => void): void {
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  stream.on('end', () => {
    mails.push({
      to: session.envelope.rcptTo[0]?.address ?? '',
      text: text.replaceAll('=\r\n', '').replaceAll('=3D', '='),
    });
    done();
  });
}
let room: { handle: EventHandle };
let outgoing: { sendDue: () => Promise<boolean> };

beforeAll(async () => {
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  process.env['SMTP_URL'] = `smtp://127.0.0.1:${(listening.address() as { port: number }).port}`;
  process.env['MAILS_PER_HOUR'] = '30';
  room = await import('./index.ts');
  outgoing = await import('./outgoing.ts');
});
afterAll(async () => {
  (await import('#functions/send-notification/mailer.ts')).closeMail();
  await new Promise<void>((resolve) => server.close(resolve));
});
beforeEach(async () => {
  await backgroundDone(5_000);
  mails.length = 0;
  verdict = undefined;
});

const tell = (event: ShopEvent) => deliver(room.handle, event);
const sentMails = () => backgroundDone(5_000).then(() => mails);
const notificationOf = async (fact: string) => {
  await backgroundDone(5_000);
  for (;;) {
    const found = await row<Record<string, unknown>>('select * from notifying.notifications where event_id = $1', [
      fact,
    ]);
    if (found['attempts'] !== 0) return found;
  }
};
const deleteUser = (userId: string) =>
  rows('with account as (delete from billing.accounts where user_id = $1) delete from users.users where id = $1', [
    userId,
  ]).then(() => undefined);
const outboxOf = (orderId: string) => rows('select id from events.outbox where id = $1', [`${orderId}.placed`]);

async function paidOrder(total = 80_000) {
  const { userId, email } = await customer();
  const orderId = await order(userId, total);
  const fact = orderPaid.create({ orderId, userId, total, currency: 'usd' });
  const event = signed(continueChain(fact, eventOf(orderPlaced, { orderId, userId })));
  return { userId, email, orderId, event };
}

describe('what the customer reads', () => {
  // promise: customer-told-mail-amount
  test('a paid order: its number, lines and amount with currency, as text and HTML', async () => {
    const { email, orderId, event } = await paidOrder();
    expect(await tell(event)).toEqual({ status: 204 });
    expect(await sentMails()).toHaveLength(1);
    expect(mails[0]?.to).toBe(email);
    for (const part of [orderId, '800.00 USD', '80000 =C3=97 Sticker at 0.01 USD', 'text/html', '<td', 'Hello Ann']) {
      expect(mails[0]?.text).toContain(part);
    }
    expect(await notificationOf(event.id)).toMatchObject({ template: 'order-paid', status: 'sent', recipient: email });
  });

  // promise: customer-told-why-mail
  test('a rejected order: the reason in plain words, and that nothing was charged', async () => {
    const { userId } = await customer();
    const orderId = await order(userId, 500);
    const data = { orderId, userId, total: 500, currency: 'usd', reason: 'insufficient_funds' };
    await tell(eventOf(orderRejected, data));
    expect((await sentMails())[0]?.text).toContain('balance of your account is too low');
    expect(mails[0]?.text).toContain('You were not charged');
  });

  test('a canceled order: the amount that came back, or that nothing was charged', async () => {
    const { userId } = await customer();
    const data = { userId, total: 500, currency: 'usd' };
    const [returned, never] = [await order(userId, 500), await order(userId, 500)];
    await tell(eventOf(orderRefunded, { ...data, orderId: returned }));
    await tell(eventOf(orderCanceled, { ...data, orderId: never }));
    await sentMails();
    const textOf = (orderId: string) => mails.find(({ text }) => text.includes(orderId))?.text;
    expect(textOf(returned)).toMatch(/is canceled and\s+refunded/);
    expect(textOf(returned)).toContain('We have returned 5.00 USD to your account');
    expect(textOf(never)).toContain('of 5.00 USD is canceled');
    expect(textOf(never)).toContain('You were not charged');
  });

  test('a welcome and the receipt of a deposit', async () => {
    const { userId } = await customer();
    await tell(eventOf(accountOpened, { accountId: uuidv7(), userId, currency: 'usd' }));
    await tell(
      eventOf(depositSucceeded, { depositId: uuidv7(), accountId: uuidv7(), userId, amount: 5, currency: 'usd' }),
    );
    expect((await sentMails()).map(({ text }) => /Subject: (.*)/.exec(text)?.[1]?.trim()).toSorted()).toEqual([
      'Welcome to the shop',
      'Your deposit has arrived',
    ]);
    expect(mails.some(({ text }) => text.includes('0.05 USD'))).toBe(true);
  });

  test('a name cannot bring HTML or a header into the mail', async () => {
    const { userId, event } = await paidOrder();
    await rows(`update users.users set name = $2 where id = $1`, [userId, '<b>Eve</b>\r\nBcc: all@example.com']);
    await tell(event);
    const [mail] = await sentMails();
    expect(mail?.text).toContain('&lt;b&gt;Eve');
    expect(mail?.text.split('\r\n\r\n')[0]).not.toContain('Bcc');
  });
});

describe('once a fact', () => {
  // promise: event-delivered-five-times
  test('delivered five times it is one notification and one mail, and the chain has ended', async () => {
    const { orderId, event } = await paidOrder();
    const answers = await Promise.all([1, 2, 3, 4].map(() => tell(event)));
    expect([...answers, await tell(event)].every(({ status }) => status === 204)).toBe(true);
    expect(await sentMails()).toHaveLength(1);
    expect(await rows('select id from notifying.notifications where event_id = $1', [event.id])).toHaveLength(1);
    expect(await outboxOf(orderId)).toEqual([]);
  });

  test('a clean stop waits until a mail that was sent is marked as sent, or it would be sent again', async () => {
    const { event } = await paidOrder();
    await tell(event);
    await backgroundDone(5_000);
    expect(await row('select status, attempts from notifying.notifications where event_id = $1', [event.id])).toEqual({
      status: 'sent',
      attempts: 1,
    });
  });

  test('it was sent when the mail server took it, however late that is written down', async () => {
    const other = await connection();
    const taken: Date[] = [];
    server.onData = (stream, _session, done) => {
      stream.resume().on('end', () => {
        // nothing can be written down about it for now
        void other.query('begin; select from notifying.notifications for update').then(() => {
          taken.push(new Date());
          done();
        });
      });
    };
    const { event } = await paidOrder();
    await tell(event);
    await waitingForLock();
    await sleep(300);
    await other.query('commit');
    server.onData = keepMail;
    const { sent_at: sentAt } = await notificationOf(event.id);
    expect(Math.abs((sentAt as Date).getTime() - (taken[0]?.getTime() ?? 0))).toBeLessThan(150);
  });

  test('a chain that was opened again is ended by the repeated fact too', async () => {
    const { orderId, event } = await paidOrder();
    await tell(event);
    await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [`${orderId}.placed`]);
    await tell(event);
    expect(await outboxOf(orderId)).toEqual([]);
  });

  test('a notification that another process is about to record is not sent by this one', async () => {
    const { userId, email, event } = await paidOrder();
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into notifying.notifications (id, event_id, user_id, template, recipient, subject, detail, correlation_id)
       values ($1, $2, $3, 'order-paid', $4, '', '{}', '')`,
      [uuidv7(), event.id, userId, email],
    );
    const answer = tell(event);
    await waitingForLock();
    await other.query('commit');
    expect(await answer).toEqual({ status: 204 });
    expect(await sentMails()).toEqual([]);
  });

  // promise: user-deleted-takes-chain
  test('a fact about a user who is not there is refused, and its chain stays open', async () => {
    const { userId, orderId, event } = await paidOrder();
    await deleteUser(userId);
    expect(await tell(event)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await outboxOf(orderId)).toEqual([{ id: `${orderId}.placed` }]);
  });

  // promise: user-deleted-takes-chain
  test('a fact that was recorded before its user was deleted ends its chain on every delivery', async () => {
    const { userId, orderId, event } = await paidOrder();
    await tell(event);
    await deleteUser(userId);
    await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [`${orderId}.placed`]);
    expect(await tell(event)).toEqual({ status: 204 });
    expect(await outboxOf(orderId)).toEqual([]);
  });
});

describe('above the cap of a recipient', () => {
  const deposit = (userId: string) =>
    tell(eventOf(depositSucceeded, { depositId: uuidv7(), accountId: uuidv7(), userId, amount: 1, currency: 'usd' }));
  const countsOf = async (userId: string) =>
    Object.fromEntries(
      (
        await rows<{ status: string; count: number }>(
          'select status, count(*) as count from notifying.notifications where user_id = $1 group by status',
          [userId],
        )
      ).map(({ status, count }) => [status, count]),
    );
  const endHour = () =>
    rows(`update notifying.notifications set due_at = now() where digest_at is not null and due_at < 'infinity'`);

  // promise: mails-above-recipients-cap
  test('400 deposits are 30 mails and one digest, and everybody else gets theirs at once', async () => {
    const [ann, bob] = [await customer(), await customer()];
    await Promise.all(Array.from({ length: 400 }, () => deposit(ann.userId)));
    await deposit(bob.userId);
    await sentMails();
    expect(mails.filter(({ to }) => to === ann.email)).toHaveLength(30);
    expect(mails.filter(({ to }) => to === bob.email)).toHaveLength(1);
    expect(await countsOf(ann.userId)).toEqual({ sent: 30, queued: 370 });
    expect(
      await row(
        `select count(*) filter (where due_at < now() + interval '1 hour 31 seconds') as first,
                count(*) filter (where due_at = 'infinity') as others
           from notifying.notifications where user_id = $1 and status = 'queued'`,
        [ann.userId],
      ),
    ).toEqual({ first: 1, others: 369 });

    mails.length = 0;
    await endHour();
    await outgoing.sendDue();
    expect((await sentMails()).map(({ to }) => to)).toEqual([ann.email]);
    expect(mails[0]?.text).toContain('Subject: 370 messages from your shop');
    expect(mails[0]?.text).toContain('And 270 more');
    expect(await countsOf(ann.userId)).toEqual({ sent: 400 });
  });

  // promise: mails-above-recipients-cap
  test('a digest that is refused for now comes later with the same Message-ID, one that is refused for good has failed', async () => {
    const ann = await customer();
    await Promise.all(Array.from({ length: 33 }, () => deposit(ann.userId)));
    await sentMails();
    verdict = Object.assign(new Error('later'), { responseCode: 451 });
    await endHour();
    await outgoing.sendDue();
    await backgroundDone(5_000);
    expect(await countsOf(ann.userId)).toEqual({ sent: 30, queued: 3 });
    verdict = Object.assign(new Error('no such mailbox'), { responseCode: 550 });
    await endHour();
    await outgoing.sendDue();
    await backgroundDone(5_000);
    expect(await countsOf(ann.userId)).toEqual({ sent: 30, failed: 3 });
  });

  test('a digest whose recipient was deleted has failed as a whole', async () => {
    const ann = await customer();
    await Promise.all(Array.from({ length: 33 }, () => deposit(ann.userId)));
    await sentMails();
    await deleteUser(ann.userId);
    await endHour();
    await outgoing.sendDue();
    await backgroundDone(5_000);
    expect(await countsOf(ann.userId)).toEqual({ sent: 30, failed: 3 });
  });
});

describe('when the mail server has its own mind', () => {
  // promise: owasp-api10
  test('refused for good, it failed at once and the reason is kept without the address', async () => {
    verdict = Object.assign(new Error('no such mailbox'), { responseCode: 550 });
    const { event } = await paidOrder();
    expect(await tell(event)).toEqual({ status: 204 });
    expect(await notificationOf(event.id)).toMatchObject({ status: 'failed', error: 'SMTP 550', due_at: null });
  });

  // promise: while-mail-server-down
  test('refused for now, it is sent once after recovery, with the Message-ID of the first attempt', async () => {
    verdict = Object.assign(new Error('later'), { responseCode: 451 });
    const { event } = await paidOrder();
    await tell(event);
    const { id, status } = await notificationOf(event.id);
    expect(status).toBe('queued');
    verdict = undefined;
    await rows('update notifying.notifications set due_at = now() where event_id = $1', [event.id]);
    await outgoing.sendDue();
    expect(await sentMails()).toHaveLength(1);
    expect(mails[0]?.text).toContain(`Message-ID: <${String(id)}@example.com>`);
    for (;;) {
      const after = await notificationOf(event.id);
      if (after['attempts'] !== 2) continue;
      expect(after).toMatchObject({ status: 'sent', error: null });
      break;
    }
  });

  test('still refused after a day, it has failed', async () => {
    verdict = Object.assign(new Error('later'), { responseCode: 451 });
    const { event } = await paidOrder();
    await tell(event);
    await notificationOf(event.id);
    await rows(
      `update notifying.notifications set due_at = now(), created_at = now() - interval '25 hours' where event_id = $1`,
      [event.id],
    );
    await outgoing.sendDue();
    for (;;) if ((await notificationOf(event.id))['status'] === 'failed') break;
  });

  // promise: user-deleted-takes-chain
  test('whose recipient was deleted, it has failed with the reason, and is not taken again', async () => {
    verdict = Object.assign(new Error('later'), { responseCode: 451 });
    const { userId, event } = await paidOrder();
    await tell(event);
    await notificationOf(event.id);
    await deleteUser(userId);
    await rows('update notifying.notifications set due_at = now() where event_id = $1', [event.id]);
    await outgoing.sendDue();
    expect(await notificationOf(event.id)).toMatchObject({
      status: 'failed',
      due_at: null,
      error: 'the user was deleted',
    });
  });

  test.each([-3_600_000, 25_000, 3_600_000])(
    'mails are sent when the clock of this machine is %s ms off',
    async (offMs) => {
      const { now } = Date;
      Date.now = () => now() + offMs;
      try {
        const { event } = await paidOrder();
        await tell(event);
        expect(await sentMails()).toHaveLength(1);
        expect(await notificationOf(event.id)).toMatchObject({ status: 'sent' });
      } finally {
        Date.now = now;
      }
    },
  );

  // promise: function-whose-clock-hour
  test('the age of the oldest mail that waits can be watched', async () => {
    verdict = Object.assign(new Error('later'), { responseCode: 451 });
    const { event } = await paidOrder();
    await tell(event);
    await notificationOf(event.id);
    await rows(`update notifying.notifications set created_at = now() - interval '1 hour' where event_id = $1`, [
      event.id,
    ]);
    const { oldestMail } = await import('./mail-age.ts');
    expect((await oldestMail.get()).values[0]?.value).toBeGreaterThan(3_599);
    await rows(`update notifying.notifications set due_at = null, status = 'failed' where event_id = $1`, [event.id]);
  });

  test('a mail that somebody is sending is not taken over', async () => {
    const { event } = await paidOrder();
    await tell(event);
    await outgoing.sendDue();
    expect(await sentMails()).toHaveLength(1);
  });
});
