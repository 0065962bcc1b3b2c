import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const chargeSucceeded = defineEvent('shop.charge.succeeded.v1', {
  summary: 'The total of an order was charged to the account.',
  producer: 'charge-account',
  subject: ({ orderId }) => orderId,
  data: z.object({ orderId: uuid, userId: uuid, accountId: uuid, amount: money, currency }),
  sample: {
    orderId: '0198c0de-0000-7000-8000-000000000002',
    userId: '0198c0de-0000-7000-8000-000000000001',
    accountId: '0198c0de-0000-7000-8000-000000000003',
    amount: 80_000,
    currency: 'usd',
  },
});

export type ChargeSucceeded = z.infer<typeof chargeSucceeded.data>;
