import { z } from 'zod';
import { uuid } from '#platform/values/uuid.ts';
import { defineRoutes, named, pageOf, paging } from './route.ts';

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

export const notificationRoutes = defineRoutes({
  listNotifications: {
    method: 'get',
    path: '/v1/notifications',
    summary: 'My e-mails',
    description: 'The newest first.',
    access: 'customer',
    query: notificationsQuery,
    responses: { 200: { description: 'A page of notifications.', body: pageOf('NotificationPage', notification) } },
  },
  streamEvents: {
    method: 'get',
    path: '/v1/events',
    summary: 'My events, as they happen',
    description:
      'Server-Sent Events: the entries of the timelines, with their type as `event`, and heartbeats. ' +
      'With `Last-Event-ID` it resumes where it was cut, up to a day later. It ends when the token expires. ' +
      'After an event `reset`, more has happened than the stream shows: read the lists again. ' +
      'A mail that is sent more than two hours after its event is not announced; the list has it.',
    access: 'customer',
    responses: { 200: { description: 'The stream.', body: 'text/event-stream' } },
    problems: ['bad_cursor'],
  },
});
