import { expect, test } from '@jest/globals';
import { registry } from '#platform/telemetry/metrics.ts';
import { rows } from '#test/support/database.ts';
import {
  deleteUser,
  mailServer,
  notificationOf,
  notify,
  paidOrder,
  receivedMails,
  sendDue,
  useMailServer,
} from '#test/support/mail-server.ts';

useMailServer();

// promise: owasp-api10
test('fails a mail at once after a permanent refusal, and stores the reason without the address', async () => {
  mailServer.refusal = Object.assign(new Error('no such mailbox'), { responseCode: 550 });
  const { event } = await paidOrder();
  expect(await notify(event)).toEqual({ status: 204 });
  expect(await notificationOf(event.id)).toMatchObject({ status: 'failed', error: 'SMTP 550', due_at: null });
});

// promise: mail-outage
test('sends a mail once after a temporary refusal, with the Message-ID of the first attempt', async () => {
  mailServer.refusal = Object.assign(new Error('later'), { responseCode: 451 });
  const { event } = await paidOrder();
  await notify(event);
  const { id, status } = await notificationOf(event.id);
  expect(status).toBe('queued');
  mailServer.refusal = undefined;
  await rows('update notifying.notifications set due_at = now() where event_id = $1', [event.id]);
  await sendDue();
  expect(await receivedMails()).toHaveLength(1);
  expect(mailServer.mails[0]?.text).toContain(`Message-ID: <${String(id)}@example.com>`);
  for (;;) {
    const after = await notificationOf(event.id);
    if (after['attempts'] !== 2) continue;
    expect(after).toMatchObject({ status: 'sent', error: null });
    break;
  }
});

test('fails a mail that is still refused after a day', async () => {
  mailServer.refusal = Object.assign(new Error('later'), { responseCode: 451 });
  const { event } = await paidOrder();
  await notify(event);
  await notificationOf(event.id);
  await rows(
    `update notifying.notifications set due_at = now(), created_at = now() - interval '25 hours' where event_id = $1`,
    [event.id],
  );
  await sendDue();
  for (;;) if ((await notificationOf(event.id))['status'] === 'failed') break;
});

// promise: deleted-user
test('fails the mail of a deleted user with the reason, and does not take it again', async () => {
  mailServer.refusal = Object.assign(new Error('later'), { responseCode: 451 });
  const { userId, event } = await paidOrder();
  await notify(event);
  await notificationOf(event.id);
  await deleteUser(userId);
  await rows('update notifying.notifications set due_at = now() where event_id = $1', [event.id]);
  await sendDue();
  expect(await notificationOf(event.id)).toMatchObject({
    status: 'failed',
    due_at: null,
    error: 'the user was deleted',
  });
});

test.each([-3_600_000, 25_000, 3_600_000])('sends mails when the clock of this machine is %s ms off', async (offMs) => {
  const { now } = Date;
  Date.now = () => now() + offMs;
  try {
    const { event } = await paidOrder();
    await notify(event);
    expect(await receivedMails()).toHaveLength(1);
    expect(await notificationOf(event.id)).toMatchObject({ status: 'sent' });
  } finally {
    Date.now = now;
  }
});

// promise: clock-skew
test('reports the age of the oldest mail that waits', async () => {
  mailServer.refusal = Object.assign(new Error('later'), { responseCode: 451 });
  const { event } = await paidOrder();
  await notify(event);
  await notificationOf(event.id);
  await rows(`update notifying.notifications set created_at = now() - interval '1 hour' where event_id = $1`, [
    event.id,
  ]);
  const metrics = await registry.metrics();
  expect(Number(/^shop_mails_oldest_seconds\{[^}]*\} (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(3_599);
  await rows(`update notifying.notifications set due_at = null, status = 'failed' where event_id = $1`, [event.id]);
});

test('does not take over a mail that is being sent', async () => {
  const { event } = await paidOrder();
  await notify(event);
  await sendDue();
  expect(await receivedMails()).toHaveLength(1);
});
