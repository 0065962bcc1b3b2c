import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { once } from 'node:events';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { backgroundDone } from '#platform/runtime/background.ts';
import { continueChain, type ShopEvent } from '#platform/events/event.ts';
import type { EventHandle } from '#platform/events/on-event.ts';
import { signed } from '#platform/events/signature.ts';
import { deliver, eventOf } from './calls.ts';
import { row, rows, useDatabase } from './database.ts';
import { customer, order } from './fixtures.ts';

// What the tests of send-notification share.

/** A mail server, what it has received, and its refusal of recipients, if a test sets one. */
export const mailServer = {
  mails: [] as { to: string; text: string }[],
  refusal: undefined as Error | undefined,
  onData: storeMail,
};
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onRcptTo: (_address, _session, done) => done(mailServer.refusal),
  onData: (stream, session, done) => mailServer.onData(stream, session, done),
});
function storeMail(stream: SMTPServerDataStream, session: SMTPServerSession, done: () => void): void {
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  stream.on('end', () => {
    mailServer.mails.push({
      to: session.envelope.rcptTo[0]?.address ?? '',
      text: text.replaceAll('=\r\n', '').replaceAll('=3D', '='),
    });
    done();
  });
}
let handle: EventHandle;
export let sendDue: () => Promise<boolean>;

/** Starts the mail server, and then loads the function, which reads its settings. */
export function useMailServer(): void {
  useDatabase();
  beforeAll(async () => {
    const listening = server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    process.env['SMTP_URL'] = `smtp://127.0.0.1:${(listening.address() as { port: number }).port}`;
    process.env['MAILS_PER_HOUR'] = '30';
    ({ handle } = await import('#functions/send-notification/index.ts'));
    ({ sendDue } = await import('#functions/send-notification/outgoing.ts'));
  });
  afterAll(async () => {
    (await import('#functions/send-notification/mailer.ts')).closeMail();
    await new Promise<void>((resolve) => server.close(resolve));
  });
  beforeEach(async () => {
    await backgroundDone(5_000);
    mailServer.mails.length = 0;
    mailServer.refusal = undefined;
    mailServer.onData = storeMail;
  });
}

export const notify = (event: ShopEvent) => deliver(handle, event);
/** What the mail server has received once everything was sent. */
export const receivedMails = () => backgroundDone(5_000).then(() => mailServer.mails);
/** The notification of an event, once an attempt to send it was marked. */
export const notificationOf = async (eventId: string) => {
  await backgroundDone(5_000);
  for (;;) {
    const found = await row<Record<string, unknown>>('select * from notifying.notifications where event_id = $1', [
      eventId,
    ]);
    if (found['attempts'] !== 0) return found;
  }
};
export const deleteUser = (userId: string) =>
  rows('with account as (delete from billing.accounts where user_id = $1) delete from users.users where id = $1', [
    userId,
  ]).then(() => undefined);

/** An order with the event that it was paid. */
export async function paidOrder(total = 80_000) {
  const { userId, email } = await customer();
  const orderId = await order(userId, total);
  const paid = orderPaid.create({ orderId, userId, total, currency: 'usd' });
  const event = signed(continueChain(paid, eventOf(orderPlaced, { orderId, userId })));
  return { userId, email, orderId, event };
}
