import type { notificationRoutes } from '#api/notifications.ts';
import { statement, type Database } from '#platform/database/database.ts';
import { page, position, type Position } from '../http/paging.ts';
import type { RouteHandlers } from '../http/routes.ts';
import type { Streams } from '../stream/streams.ts';

interface Notification {
  id: string;
  orderId: string | null;
  template: string;
  to: string;
  subject: string;
  status: 'queued' | 'sent' | 'failed';
  sentAt: Date | null;
  createdAt: Date;
}

interface ListedNotification extends Notification {
  position: string;
}

const notificationColumns = `
         id, order_id as "orderId", template, recipient as "to", subject, status, sent_at as "sentAt",
         created_at as "createdAt", created_at::text as position`;

const afterPosition = `
         (created_at, id)
         < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))`;

const notifications = statement<ListedNotification>(
  'storefront.notifications',
  `
  select ${notificationColumns}
    from notifying.notifications
   where user_id = $1::uuid
     and ${afterPosition}
   order by created_at desc, id desc
   limit $4::int`,
);

const notificationsOfOrder = statement<ListedNotification>(
  'storefront.notifications_of_order',
  `
  select ${notificationColumns}
    from notifying.notifications
   where user_id = $1::uuid
     and ${afterPosition}
         -- the ids of an order's events begin with its id, and "/" comes after "."
     and event_id > $5::text || '.'
     and event_id < $5::text || '/'
   order by created_at desc, id desc
   limit $4::int`,
);

interface Parts {
  database: Database;
  streams: Streams;
}

export const notificationHandlers = ({
  database: { many },
  streams,
}: Parts): RouteHandlers<typeof notificationRoutes> => ({
  listNotifications: async ({ caller, query: { orderId }, page: requested }) => {
    const wanted = requested(position);
    const values = [caller.id, ...(wanted.after ?? [null, null]), wanted.limit + 1];
    const rows = await (orderId === undefined
      ? many(notifications, values)
      : many(notificationsOfOrder, [...values, orderId]));
    const { data, nextCursor } = page(rows, wanted, ({ position: at, id }): Position => [at, id]);
    return { data: data.map(({ position: _position, ...notification }) => notification), nextCursor };
  },

  // Server-Sent Events (HTML, section 9.2), resumable by Last-Event-ID
  streamEvents: ({ request, response, caller }) =>
    streams.open(request, response, caller, request.headers['last-event-id']?.toString()),
});
