import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { batch } from '#platform/database/batch.ts';
import type { EventContract, EventData } from '#platform/events/event.ts';
import { onEvents, when, type EventHandle } from '#platform/events/on-event.ts';
import { createPoll } from '#platform/events/poll.ts';
import { Problem } from '#platform/http/problem.ts';
import type { FunctionContext } from '#platform/runtime/context.ts';
import { measureMailAge } from './mail-age.ts';
import { createMailer } from './mailer.ts';
import { subjectOf, type Template } from './mails.ts';
import { createOutgoing, type Outgoing } from './outgoing.ts';
import { findRecorded, recordNotifications, type NewNotification } from './queries.ts';

const defaultOutgoing = ({ database, tasks }: FunctionContext): Outgoing =>
  createOutgoing({ database, tasks, mailer: createMailer() });

/**
 * Records one notification per event and ends its chain; `outgoing` sends the mail after the response. Mails that are due –
 * left by a process that ended, or not accepted by the mail server – are found by a poll twice a second.
 */
export const notifyBy = (makeOutgoing: (context: FunctionContext) => Outgoing = defaultOutgoing): EventHandle =>
  onEvents((context) => {
    const { name, database, tasks } = context;
    const { sendSoon, sendDue } = makeOutgoing(context);
    tasks.every(500, 'the poll for due mails', createPoll(sendDue));
    measureMailAge(database, name);

    const record = batch<NewNotification, void>({
      key: ({ eventId }) => eventId,
      run: async (notifications) => {
        const recorded = await recordNotifications(database, notifications);
        const traces = new Map(notifications.map(({ eventId, traceparent }) => [eventId, traceparent]));
        sendSoon(recorded.map((mail) => ({ ...mail, traceparent: traces.get(mail.eventId) })));
        const known = new Set(recorded.map(({ eventId }) => eventId));
        const others = notifications.filter(({ eventId }) => !known.has(eventId));
        if (others.length > 0) for (const { eventId } of await findRecorded(database, others)) known.add(eventId);
        return notifications.map(({ eventId, userId }) =>
          known.has(eventId)
            ? undefined
            : new Problem('bad_event', `There is no user ${userId} to notify of ${eventId}.`),
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

    return [
      notify(accountOpened, 'welcome'),
      notify(depositSucceeded, 'deposit-received'),
      notify(orderPaid, 'order-paid'),
      notify(orderRejected, 'order-rejected'),
      notify(orderRefunded, 'order-refunded'),
      notify(orderCanceled, 'order-canceled'),
    ];
  });

/** Notifies the customer of each event that ends a chain, by one mail. */
export const handle = notifyBy();
