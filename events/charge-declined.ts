import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const chargeDeclined = defineEvent('shop.charge.declined.v1', {
  summary: 'The charge for an order was declined. Nothing was taken from the account, nor ever will be.',
  producer: 'charge-account',
  subject: ({ orderId }) => orderId,
  data: z.object({
    orderId: uuid,
    userId: uuid,
    amount: money,
    currency,
    reason: z.enum(['insufficient_funds', 'currency_mismatch', 'account_not_found', 'order_canceled']),
  }),
  sample: {
    orderId: '0198c0de-0000-7000-8000-000000000002',
    userId: '0198c0de-0000-7000-8000-000000000001',
    amount: 80_000,
    currency: 'usd',
    reason: 'insufficient_funds',
  },
});

export type ChargeDeclined = z.infer<typeof chargeDeclined.data>;
