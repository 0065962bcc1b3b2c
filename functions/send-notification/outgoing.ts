import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { batch } from '#platform/database/batch.ts';
import type { Database } from '#platform/database/database.ts';
import { fullScan, type ScanInterval } from '#platform/events/poll.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import type { Tasks } from '#platform/runtime/tasks.ts';
import { log } from '#platform/telemetry/log.ts';
import { mails as attempts } from '#platform/telemetry/metrics.ts';
import { beginSpan, endSpan } from '#platform/telemetry/trace.ts';
import { createCap } from './cap.ts';
import { findEntries, gatherMails, settleDigest, type MailToGather } from './digest.ts';
import type { Mailer, SendResult } from './mailer.ts';
import { renderDigest, renderMail } from './mails.ts';
import { markMails, takeDueMails, type AttemptOutcome, type QueuedMail } from './queries.ts';

const maxSenders = 5;
// The queue in memory is bounded; the rest waits in the table until it is due.
const maxWaiting = 5_000;
// Any process may take a mail over a minute after it was recorded or taken. A mail that has waited here this long is left to
// that, since with the time of an attempt added it could be sent twice. One process measures it: clocks differ.
const maxWaitMs = 25_000;

// One commit for many mails; the first after a pause is marked at once.
const markEveryMs = 25;

/** The mails on their way to the mail server. */
export interface Outgoing {
  /**
   * Sends mails in the background, in their order, a few at a time. Those above the cap of their recipient are gathered; if
   * that fails, they come due like any mail that was not sent.
   */
  sendSoon(mails: QueuedMail[]): void;
  /** Takes over mails that are due, up to the free capacity; returns whether those were all. */
  sendDue(interval?: ScanInterval): Promise<boolean>;
}

interface Parts {
  database: Database;
  tasks: Tasks;
  mailer: Mailer;
}

export function createOutgoing({ database, tasks, mailer }: Parts): Outgoing {
  const { MAILS_PER_HOUR } = settings({
    /** Mails to one recipient in an hour; those above are gathered into one mail at its end. 0: no cap. */
    MAILS_PER_HOUR: wholeNumber(0, 1_000_000).default(30),
  });
  const cap = createCap(MAILS_PER_HOUR);
  const waiting: QueuedMail[] = [];
  let active = 0;
  let utilization = performance.eventLoopUtilization();
  let measuredAt = 0;
  let isBusy = false;

  const mark = batch<AttemptOutcome, void>({
    key: ({ id }) => id,
    run: async (outcomes) => {
      await markMails(database, outcomes);
      await wait(markEveryMs); // mails that are sent meanwhile are then marked together
      return outcomes.map(() => undefined);
    },
  });

  const gather = batch<MailToGather, void>({
    key: ({ id }) => id,
    run: async (mails) => {
      const digests = mails.map((mail) => ({ ...mail, digestAt: cap.digestOf(mail.userId) }));
      for (const { userId, digestAt } of await gatherMails(database, digests)) cap.begunDigest(userId, digestAt);
      return mails.map(() => undefined);
    },
  });

  function sendSoon(mails: QueuedMail[]): void {
    for (const mail of mails) {
      const { id, userId, attempts: tries, digestAt } = mail;
      const isAdmitted = tries > 0 || digestAt !== null || cap.admits(userId);
      if (!isAdmitted) tasks.run(gather({ id, userId, digestAt: undefined }), `gathering mail ${id}`);
      else if (waiting.length < maxWaiting) waiting.push(mail);
    }
    while (active < senders() && waiting.length > 0) tasks.run(send(), 'sending mails');
  }

  async function sendDue(interval = fullScan): Promise<boolean> {
    const capacity = Math.min(500, maxWaiting - waiting.length);
    const mails = capacity > 0 ? await takeDueMails(database, capacity, interval) : [];
    sendSoon(mails);
    return mails.length < capacity;
  }

  /** How many mails are sent at once: one while this process is busy, because the work on orders goes first. */
  function senders(): number {
    if (performance.now() - measuredAt > 100) {
      isBusy = performance.eventLoopUtilization(utilization).utilization > 0.8;
      utilization = performance.eventLoopUtilization();
      measuredAt = performance.now();
    }
    return isBusy ? 1 : maxSenders;
  }

  async function send(): Promise<void> {
    active += 1;
    try {
      while (active <= senders()) {
        const mail = waiting.shift();
        if (!mail) return;
        if (performance.now() - mail.takenAt <= maxWaitMs) await attempt(mail);
      }
    } finally {
      // in the turn of the check: senders that become too many together would otherwise all end
      active -= 1;
    }
  }

  async function attempt(mail: QueuedMail): Promise<void> {
    const span = beginSpan('send mail', {
      kind: 'CLIENT',
      parent: mail.traceparent,
      attributes: { 'shop.notification': mail.id, 'shop.template': mail.template },
    });
    const result = await content(mail).then(
      // derived from the row: a mail that is sent again can be recognised
      (composed) => mailer.send({ messageId: mail.id, to: mail.recipient, ...composed }),
      (): SendResult => ({ sent: false, permanent: false, error: 'the digest could not be read' }),
    );
    endSpan(span, result.sent ? undefined : result.error);
    const outcome = outcomeOf(mail, result);
    const settled = mail.digestAt === null ? Promise.resolve() : settleDigest(database, mail, outcome);
    const marked = settled.then(() => mark(outcome));
    // a clean stop waits for it; otherwise the mail would be sent again
    tasks.run(marked, `marking mail ${mail.id}`);
    // a mail costs as much as an order: a busy process sends the next one after this one is marked
    if (isBusy) await marked.catch(() => undefined);
  }

  async function content(mail: QueuedMail): Promise<{ subject: string; text: string; html: string }> {
    if (mail.digestAt === null) return { subject: mail.subject, ...renderMail(mail) };
    const { total, entries } = await findEntries(database, mail);
    return renderDigest(mail.name, total, entries);
  }

  return { sendSoon, sendDue };
}

function outcomeOf({ id }: QueuedMail, result: SendResult): AttemptOutcome {
  const outcome = result.sent ? 'sent' : result.permanent ? 'refused' : 'later';
  const at = performance.now();
  attempts.inc({ function: 'send-notification', result: outcome });
  if (result.sent) return { id, outcome, error: null, at };
  log.warn({ notification: id, err: result.error }, 'the mail server did not accept a mail');
  return { id, outcome, error: result.error, at };
}
