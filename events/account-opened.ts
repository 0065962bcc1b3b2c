import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const accountOpened = defineEvent('shop.account.opened.v1', {
  summary: 'A billing account was opened for a customer, with a balance of zero.',
  producer: 'create-account',
  subject: ({ accountId }) => accountId,
  data: z.object({ accountId: uuid, userId: uuid, currency }),
  sample: {
    accountId: '0198c0de-0000-7000-8000-000000000003',
    userId: '0198c0de-0000-7000-8000-000000000001',
    currency: 'usd',
  },
});

export type AccountOpened = z.infer<typeof accountOpened.data>;
