import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const chargeRefunded = defineEvent('shop.charge.refunded.v1', {
  summary: 'The charge for a canceled order was returned to the account.',
  producer: 'refund-charge',
  subject: ({ orderId }) => orderId,
  happened: 'charge_refunded', // the order itself is refunded next
  data: z.object({ orderId: uuid, userId: uuid, accountId: uuid, amount: money, currency }),
  sample: {
    orderId: '0198c0de-0000-7000-8000-000000000002',
    userId: '0198c0de-0000-7000-8000-000000000001',
    accountId: '0198c0de-0000-7000-8000-000000000003',
    amount: 80_000,
    currency: 'usd',
  },
});

export type ChargeRefunded = z.infer<typeof chargeRefunded.data>;
