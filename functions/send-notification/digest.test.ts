import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { eventOf } from '#test/support/calls.ts';
import { row, rows } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { context } from '#test/support/context.ts';
import { deleteUser, mailServer, notify, receivedMails, sendDue, useMailServer } from '#test/support/mail-server.ts';

useMailServer();

const deposit = (userId: string) =>
  notify(eventOf(depositSucceeded, { depositId: uuidv7(), accountId: uuidv7(), userId, amount: 1, currency: 'usd' }));
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

// promise: mail-cap
test('sends 30 mails and one digest for 400 deposits, and mails other customers at once', async () => {
  const [ann, bob] = [await customer(), await customer()];
  await Promise.all(Array.from({ length: 400 }, () => deposit(ann.userId)));
  await deposit(bob.userId);
  await receivedMails();
  expect(mailServer.mails.filter(({ to }) => to === ann.email)).toHaveLength(30);
  expect(mailServer.mails.filter(({ to }) => to === bob.email)).toHaveLength(1);
  expect(await countsOf(ann.userId)).toEqual({ sent: 30, queued: 370 });
  expect(
    await row(
      `select count(*) filter (where due_at < now() + interval '1 hour 31 seconds') as first,
              count(*) filter (where due_at = 'infinity') as others
         from notifying.notifications where user_id = $1 and status = 'queued'`,
      [ann.userId],
    ),
  ).toEqual({ first: 1, others: 369 });

  mailServer.mails.length = 0;
  await endHour();
  await sendDue();
  expect((await receivedMails()).map(({ to }) => to)).toEqual([ann.email]);
  expect(mailServer.mails[0]?.text).toContain('Subject: 370 messages from your shop');
  expect(mailServer.mails[0]?.text).toContain('And 270 more');
  expect(await countsOf(ann.userId)).toEqual({ sent: 400 });
});

// promise: mail-cap
test('retries a digest after a temporary refusal, and fails it after a permanent one', async () => {
  const ann = await customer();
  await Promise.all(Array.from({ length: 33 }, () => deposit(ann.userId)));
  await receivedMails();
  mailServer.refusal = Object.assign(new Error('later'), { responseCode: 451 });
  await endHour();
  await sendDue();
  await context.tasks.done(5_000);
  expect(await countsOf(ann.userId)).toEqual({ sent: 30, queued: 3 });
  mailServer.refusal = Object.assign(new Error('no such mailbox'), { responseCode: 550 });
  await endHour();
  await sendDue();
  await context.tasks.done(5_000);
  expect(await countsOf(ann.userId)).toEqual({ sent: 30, failed: 3 });
});

test('fails a digest as a whole when its recipient was deleted', async () => {
  const ann = await customer();
  await Promise.all(Array.from({ length: 33 }, () => deposit(ann.userId)));
  await receivedMails();
  await deleteUser(ann.userId);
  await endHour();
  await sendDue();
  await context.tasks.done(5_000);
  expect(await countsOf(ann.userId)).toEqual({ sent: 30, failed: 3 });
});
