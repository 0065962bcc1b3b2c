import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { uuid } from '#platform/values/uuid.ts';

export const userRegistered = defineEvent('shop.user.registered.v1', {
  summary: 'A customer registered. Their e-mail address and name stay in the database.',
  producer: 'register-user',
  subject: ({ userId }) => userId,
  data: z.object({ userId: uuid }),
  sample: { userId: '0198c0de-0000-7000-8000-000000000001' },
});

export type UserRegistered = z.infer<typeof userRegistered.data>;
