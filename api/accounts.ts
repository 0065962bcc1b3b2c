import { z } from 'zod';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';
import { named, pageOf, paging, type Route } from './route.ts';

export const account = named(
  'Account',
  z.object({
    id: uuid,
    balance: money,
    currency,
    version: z.int().nonnegative().meta({ description: 'Grows by one a movement.' }),
    openedAt: z.iso.datetime(),
  }),
);

export const newDeposit = named('NewDeposit', z.object({ amount: z.int().positive(), currency }));

export const deposit = named(
  'Deposit',
  z.object({
    id: uuid,
    amount: money,
    currency,
    balance: money.meta({ description: 'What the account held after it.' }),
    createdAt: z.iso.datetime(),
  }),
);

const entry = named(
  'Entry',
  z.object({
    id: uuid,
    kind: z.enum(['deposit', 'charge', 'refund']),
    amount: z.int().meta({ description: 'Negative if it left the account.' }),
    balance: money.meta({ description: 'What the account held after it.' }),
    version: z.int().positive(),
    orderId: uuid.nullable(),
    createdAt: z.iso.datetime(),
  }),
);

export const accountRoutes: Route[] = [
  {
    method: 'get',
    path: '/v1/accounts/me',
    summary: 'My account',
    who: 'customer',
    answers: { 200: { description: 'The billing account of the caller.', body: account } },
    problems: ['account_not_open'],
  },
  {
    method: 'post',
    path: '/v1/accounts/me/deposits',
    summary: 'Deposit money',
    description: 'The same key and the same body get the same answer, and the money arrives once.',
    who: 'customer',
    body: newDeposit,
    example: { amount: 100_000, currency: 'usd' },
    idempotent: true,
    answers: { 201: { description: 'The deposit.', body: deposit } },
    problems: ['customers_only', 'account_not_open', 'currency_mismatch', 'deposit_limit'],
  },
  {
    method: 'get',
    path: '/v1/accounts/me/entries',
    summary: 'Movements on my account',
    description: 'The newest version first.',
    who: 'customer',
    query: paging,
    answers: { 200: { description: 'A page of movements.', body: pageOf('EntryPage', entry) } },
  },
];
