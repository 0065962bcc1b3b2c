import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { repeat } from '#platform/runtime/background.ts';
import { batch } from '#platform/database/batch.ts';
import { poll } from '#platform/events/poll.ts';
import type { EventContract, EventData } from '#platform/events/event.ts';
import { onEvents, when } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import './mail-age.ts';
import { sendDue, sendSoon } from './outgoing.ts';
import { findRecorded, recordNotifications, type NewNotification } from './queries.ts';
import { subjectOf, type Template } from './mails.ts';

/** Polls twice a second for mails that are due: left by a process that ended, or not accepted by the mail server. */
export const background = repeat(500, 'the poll for due mails', poll(sendDue));

/** Records one notification an event and ends its chain; the mail is sent after the response. */
const record = batch<NewNotification, void>({
  key: ({ eventId }) => eventId,
  run: async (notifications) => {
    const recorded = await recordNotifications(notifications);
    const traces = new Map(notifications.map(({ eventId, traceparent }) => [eventId, traceparent]));
    sendSoon(recorded.map((mail) => ({ ...mail, traceparent: traces.get(mail.eventId) })));
    const known = new Set(recorded.map(({ eventId }) => eventId));
    const others = notifications.filter(({ eventId }) => !known.has(eventId));
    if (others.length > 0) for (const { eventId } of await findRecorded(others)) known.add(eventId);
    return notifications.map(({ eventId, userId }) =>
      known.has(eventId) ? undefined : new Problem('bad_event', `There is no user ${userId} to notify of ${eventId}.`),
    );
  },
});

const notify = <Data extends EventData & { orderId?: string }>(contract: EventContract<Data>, template: Template) =>
  when(contract, (data, event) =>
    record({
      id: uuidv7(),
      // from the data, which is normalised: the id as it was delivered may be in capitals
      eventId: contract.create(data).id,
      userId: data.userId,
      orderId: data.orderId ?? null,
      template,
      subject: subjectOf(template, data),
      detail: data,
      correlationId: event.correlationid,
      traceparent: event.traceparent,
    }),
  );

/** Notifies the customer of each event that ends a chain, by one mail. */
export const handle = onEvents(
  notify(accountOpened, 'welcome'),
  notify(depositSucceeded, 'deposit-received'),
  notify(orderPaid, 'order-paid'),
  notify(orderRejected, 'order-rejected'),
  notify(orderRefunded, 'order-refunded'),
  notify(orderCanceled, 'order-canceled'),
);
