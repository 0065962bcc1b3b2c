import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const depositSucceeded = defineEvent('shop.deposit.succeeded.v1', {
  summary: 'A deposit was credited to an account.',
  producer: 'deposit-money',
  subject: ({ depositId }) => depositId,
  data: z.object({
    depositId: uuid,
    accountId: uuid,
    userId: uuid,
    amount: money,
    currency,
  }),
  sample: {
    depositId: '0198c0de-0000-7000-8000-000000000004',
    accountId: '0198c0de-0000-7000-8000-000000000003',
    userId: '0198c0de-0000-7000-8000-000000000001',
    amount: 100_000,
    currency: 'usd',
  },
});

export type DepositSucceeded = z.infer<typeof depositSucceeded.data>;
