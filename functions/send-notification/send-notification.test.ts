import { describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { eventOf } from '#test/support/calls.ts';
import { connection, row, rows, waitingForLock } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { context } from '#test/support/context.ts';
import {
  deleteUser,
  mailServer,
  notificationOf,
  notify,
  paidOrder,
  receivedMails,
  useMailServer,
} from '#test/support/mail-server.ts';

useMailServer();

const outboxOf = (orderId: string) => rows('select id from events.outbox where id = $1', [`${orderId}.placed`]);

describe('what the customer reads', () => {
  // promise: paid-mail
  test('mails a paid order with its id, lines and amount with currency, as text and HTML', async () => {
    const { email, orderId, event } = await paidOrder();
    expect(await notify(event)).toEqual({ status: 204 });
    expect(await receivedMails()).toHaveLength(1);
    expect(mailServer.mails[0]?.to).toBe(email);
    for (const part of [orderId, '800.00 USD', '80000 =C3=97 Sticker at 0.01 USD', 'text/html', '<td', 'Hello Ann']) {
      expect(mailServer.mails[0]?.text).toContain(part);
    }
    expect(await notificationOf(event.id)).toMatchObject({ template: 'order-paid', status: 'sent', recipient: email });
  });

  // promise: rejected-mail
  test('mails a rejected order with the reason in plain words, and that nothing was charged', async () => {
    const { userId } = await customer();
    const orderId = await order(userId, 500);
    const data = { orderId, userId, total: 500, currency: 'usd', reason: 'insufficient_funds' };
    await notify(eventOf(orderRejected, data));
    expect((await receivedMails())[0]?.text).toContain('balance of your account is too low');
    expect(mailServer.mails[0]?.text).toContain('You were not charged');
  });

  test('mails a canceled order with the amount that was refunded, or that nothing was charged', async () => {
    const { userId } = await customer();
    const data = { userId, total: 500, currency: 'usd' };
    const [returned, never] = [await order(userId, 500), await order(userId, 500)];
    await notify(eventOf(orderRefunded, { ...data, orderId: returned }));
    await notify(eventOf(orderCanceled, { ...data, orderId: never }));
    await receivedMails();
    const textOf = (orderId: string) => mailServer.mails.find(({ text }) => text.includes(orderId))?.text;
    expect(textOf(returned)).toMatch(/is canceled and\s+refunded/);
    expect(textOf(returned)).toContain('We have returned 5.00 USD to your account');
    expect(textOf(never)).toContain('of 5.00 USD is canceled');
    expect(textOf(never)).toContain('You were not charged');
  });

  test('mails a welcome, and the receipt of a deposit', async () => {
    const { userId } = await customer();
    await notify(eventOf(accountOpened, { accountId: uuidv7(), userId, currency: 'usd' }));
    await notify(
      eventOf(depositSucceeded, { depositId: uuidv7(), accountId: uuidv7(), userId, amount: 5, currency: 'usd' }),
    );
    expect((await receivedMails()).map(({ text }) => /Subject: (.*)/.exec(text)?.[1]?.trim()).toSorted()).toEqual([
      'Welcome to the shop',
      'Your deposit has arrived',
    ]);
    expect(mailServer.mails.some(({ text }) => text.includes('0.05 USD'))).toBe(true);
  });

  test('lets no name add HTML or a header to a mail', async () => {
    const { userId, event } = await paidOrder();
    await rows(`update users.users set name = $2 where id = $1`, [userId, '<b>Eve</b>\r\nBcc: all@example.com']);
    await notify(event);
    const [mail] = await receivedMails();
    expect(mail?.text).toContain('&lt;b&gt;Eve');
    expect(mail?.text.split('\r\n\r\n')[0]).not.toContain('Bcc');
  });
});

describe('one mail an event', () => {
  // promise: redelivery
  test('sends one mail when an event is delivered five times, and ends its chain', async () => {
    const { orderId, event } = await paidOrder();
    const replies = await Promise.all([1, 2, 3, 4].map(() => notify(event)));
    expect([...replies, await notify(event)].every(({ status }) => status === 204)).toBe(true);
    expect(await receivedMails()).toHaveLength(1);
    expect(await rows('select id from notifying.notifications where event_id = $1', [event.id])).toHaveLength(1);
    expect(await outboxOf(orderId)).toEqual([]);
  });

  test('marks a mail as sent before a clean stop ends, so that it is not sent again', async () => {
    const { event } = await paidOrder();
    await notify(event);
    await context.tasks.done(5_000);
    expect(await row('select status, attempts from notifying.notifications where event_id = $1', [event.id])).toEqual({
      status: 'sent',
      attempts: 1,
    });
  });

  test('stores when the mail server accepted a mail, however late the mail is marked', async () => {
    const other = await connection();
    const taken: Date[] = [];
    mailServer.onData = (stream, _session, done) => {
      stream.resume().on('end', () => {
        // nothing can be marked for now
        void other.query('begin; select from notifying.notifications for update').then(() => {
          taken.push(new Date());
          done();
        });
      });
    };
    const { event } = await paidOrder();
    await notify(event);
    await waitingForLock();
    await sleep(300);
    await other.query('commit');
    const { sent_at: sentAt } = await notificationOf(event.id);
    expect(Math.abs((sentAt as Date).getTime() - (taken[0]?.getTime() ?? 0))).toBeLessThan(150);
  });

  test('ends a chain that was opened again when the event is repeated', async () => {
    const { orderId, event } = await paidOrder();
    await notify(event);
    await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [`${orderId}.placed`]);
    await notify(event);
    expect(await outboxOf(orderId)).toEqual([]);
  });

  test('does not send the mail of a notification that another process is recording', async () => {
    const { userId, email, event } = await paidOrder();
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into notifying.notifications (id, event_id, user_id, template, recipient, subject, detail, correlation_id)
       values ($1, $2, $3, 'order-paid', $4, '', '{}', '')`,
      [uuidv7(), event.id, userId, email],
    );
    const reply = notify(event);
    await waitingForLock();
    await other.query('commit');
    expect(await reply).toEqual({ status: 204 });
    expect(await receivedMails()).toEqual([]);
  });

  // promise: deleted-user
  test('refuses an event about an unknown user, and leaves its chain open', async () => {
    const { userId, orderId, event } = await paidOrder();
    await deleteUser(userId);
    expect(await notify(event)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await outboxOf(orderId)).toEqual([{ id: `${orderId}.placed` }]);
  });

  // promise: deleted-user
  test('ends the chain of an event that was recorded before its user was deleted, on every delivery', async () => {
    const { userId, orderId, event } = await paidOrder();
    await notify(event);
    await deleteUser(userId);
    await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [`${orderId}.placed`]);
    expect(await notify(event)).toEqual({ status: 204 });
    expect(await outboxOf(orderId)).toEqual([]);
  });
});
