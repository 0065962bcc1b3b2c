import { z } from 'zod';
import { uuid } from '#platform/values/uuid.ts';
import { named, pageOf, paging, type Route } from './route.ts';

const notification = named(
  'Notification',
  z.object({
    id: uuid,
    orderId: uuid.nullable(),
    template: z.enum([
      'welcome',
      'deposit-received',
      'order-paid',
      'order-rejected',
      'order-refunded',
      'order-canceled',
    ]),
    to: z.string(),
    subject: z.string(),
    status: z.enum(['queued', 'sent', 'failed']),
    sentAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
  }),
);

/** The query of a list of notifications. */
export const notificationsQuery = paging.extend({
  orderId: uuid.optional().meta({ description: 'Only those of this order.' }),
});

export const notificationRoutes: Route[] = [
  {
    method: 'get',
    path: '/v1/notifications',
    summary: 'What I was told by e-mail',
    description: 'The newest first.',
    who: 'customer',
    query: notificationsQuery,
    answers: { 200: { description: 'A page of notifications.', body: pageOf('NotificationPage', notification) } },
  },
  {
    method: 'get',
    path: '/v1/events',
    summary: 'What happens to me, as it happens',
    description:
      'Server-Sent Events: the moments of the timelines, with their type as `event`, and heartbeats. ' +
      'With `Last-Event-ID` it goes on where it was cut, up to a day later. It ends when the token expires. ' +
      'An event `reset` says that more has happened than the stream shows: read the lists again. ' +
      'A mail that is sent more than two hours after its event is not announced; the list has it.',
    who: 'customer',
    answers: { 200: { description: 'The stream.', body: 'text/event-stream' } },
    problems: ['bad_cursor'],
  },
];
