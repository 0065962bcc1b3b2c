import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { batch } from '#platform/database/batch.ts';
import { inBackground } from '#platform/runtime/background.ts';
import { fullScan } from '#platform/events/poll.ts';
import { log } from '#platform/telemetry/log.ts';
import { sendMail, type SendResult } from '#functions/send-notification/mailer.ts';
import { mails as attempts } from '#platform/telemetry/metrics.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import { beginSpan, endSpan } from '#platform/telemetry/trace.ts';
import { createCap } from './cap.ts';
import { findEntries, gatherMails, settleDigest, type Gathered } from './digest.ts';
import { renderDigest, renderMail } from './mails.ts';
import { markMails, takeDueMails, type Outcome, type QueuedMail } from './queries.ts';

/** Mails to one recipient in an hour; what is above is gathered into one mail at its end. 0: no cap. */
const { MAILS_PER_HOUR } = settings({ MAILS_PER_HOUR: wholeNumber(0, 1_000_000).default(30) });

const maxSenders = 5;
// What waits in memory is bounded; the rest waits in the table until it is due.
const maxWaiting = 5_000;
// A mail is due to be taken over a minute after it was recorded or taken. One that has waited for so long is left to that,
// since with the time of an attempt added it could be sent twice. Measured by this process alone: clocks differ.
const overtakenAfterMs = 25_000;

// One commit for many mails; the first after a pause is marked at once.
const markEveryMs = 25;

const waiting: QueuedMail[] = [];
let active = 0;

const mark = batch<Outcome, void>({
  key: ({ id }) => id,
  run: async (outcomes) => {
    await markMails(outcomes);
    await wait(markEveryMs); // meanwhile others end, which are then marked together
    return outcomes.map(() => undefined);
  },
});

const cap = createCap(MAILS_PER_HOUR);

const gather = batch<Gathered, void>({
  key: ({ id }) => id,
  run: async (mails) => {
    const kept = await gatherMails(mails.map((mail) => ({ ...mail, digestAt: cap.digestOf(mail.userId) })));
    for (const { userId, digestAt } of kept) cap.begunDigest(userId, digestAt);
    return mails.map(() => undefined);
  },
});

/**
 * Sends mails in the background, in their order, a few at a time. Those above the cap of their recipient are gathered;
 * should that fail, they come due as any mail that was not sent.
 */
export function sendSoon(mails: QueuedMail[]): void {
  for (const mail of mails) {
    const { id, userId, attempts: tries, digestAt } = mail;
    const isAdmitted = tries > 0 || digestAt !== null || cap.admits(userId);
    if (!isAdmitted) inBackground(gather({ id, userId, digestAt: undefined }), `gathering mail ${id}`);
    else if (waiting.length < maxWaiting) waiting.push(mail);
  }
  while (active < senders() && waiting.length > 0) {
    active += 1;
    inBackground(
      sendWaiting().finally(() => {
        active -= 1;
      }),
      'sending mails',
    );
  }
}

/** Takes over what is due, as much as there is room for; whether that was all. */
export async function sendDue(interval = fullScan): Promise<boolean> {
  const room = Math.min(500, maxWaiting - waiting.length);
  const mails = room > 0 ? await takeDueMails(room, interval) : [];
  sendSoon(mails);
  return mails.length < room;
}

let utilization = performance.eventLoopUtilization();
let measuredAt = 0;
let isBusy = false;

/** How many mails are sent at once: what decides orders goes first, so one while this process has no time to spare. */
function senders(): number {
  if (performance.now() - measuredAt > 100) {
    isBusy = performance.eventLoopUtilization(utilization).utilization > 0.8;
    utilization = performance.eventLoopUtilization();
    measuredAt = performance.now();
  }
  return isBusy ? 1 : maxSenders;
}

async function sendWaiting(): Promise<void> {
  while (active <= senders()) {
    const mail = waiting.shift();
    if (!mail) return;
    if (performance.now() - mail.takenAt > overtakenAfterMs) continue;
    const span = beginSpan('send mail', {
      kind: 'CLIENT',
      parent: mail.traceparent,
      attributes: { 'shop.notification': mail.id, 'shop.template': mail.template },
    });
    const result = await composed(mail).then(
      // derived from the row: a mail that is sent again can be recognised
      (content) => sendMail({ messageId: mail.id, to: mail.recipient, ...content }),
      (): SendResult => ({ sent: false, permanent: false, error: 'the digest could not be read' }),
    );
    endSpan(span, result.sent ? undefined : result.error);
    const outcome = outcomeOf(mail, result);
    const settled = mail.digestAt === null ? Promise.resolve() : settleDigest(mail, outcome);
    const marked = settled.then(() => mark(outcome));
    // a clean stop waits for it, or the mail would be sent again
    inBackground(marked, `marking mail ${mail.id}`);
    // each mail costs as much as an order: while there is no time to spare, no more of them than marks
    if (isBusy) await marked.catch(() => undefined);
  }
}

async function composed(mail: QueuedMail): Promise<{ subject: string; text: string; html: string }> {
  if (mail.digestAt === null) return { subject: mail.subject, ...renderMail(mail) };
  const { total, entries } = await findEntries(mail);
  return renderDigest(mail.name, total, entries);
}

function outcomeOf({ id }: QueuedMail, result: SendResult): Outcome {
  const outcome = result.sent ? 'sent' : result.permanent ? 'refused' : 'later';
  const at = performance.now();
  attempts.inc({ function: 'send-notification', result: outcome });
  if (result.sent) return { id, outcome, error: null, at };
  log.warn({ notification: id, err: result.error }, 'a mail was not taken by the mail server');
  return { id, outcome, error: result.error, at };
}
