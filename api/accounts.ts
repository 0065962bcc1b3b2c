import { z } from 'zod';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';
import { defineRoutes, named, pageOf, paging } from './route.ts';

export const account = named(
  'Account',
  z.object({
    id: uuid,
    balance: money,
    currency,
    version: z.int().nonnegative().meta({ description: 'Grows by one with each movement.' }),
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
    balance: money.meta({ description: 'The balance after it.' }),
    createdAt: z.iso.datetime(),
  }),
);

const entry = named(
  'Entry',
  z.object({
    id: uuid,
    kind: z.enum(['deposit', 'charge', 'refund']),
    amount: z.int().meta({ description: 'Negative if it left the account.' }),
    balance: money.meta({ description: 'The balance after it.' }),
    version: z.int().positive(),
    orderId: uuid.nullable(),
    createdAt: z.iso.datetime(),
  }),
);

export const accountRoutes = defineRoutes({
  getAccount: {
    method: 'get',
    path: '/v1/accounts/me',
    summary: 'My account',
    access: 'customer',
    responses: { 200: { description: 'The billing account of the caller.', body: account } },
    problems: ['account_not_open'],
  },
  depositMoney: {
    method: 'post',
    path: '/v1/accounts/me/deposits',
    summary: 'Deposit money',
    description: 'The same key and body get the same response, and the money arrives once.',
    access: 'customer',
    function: 'deposit-money',
    body: newDeposit,
    example: { amount: 100_000, currency: 'usd' },
    idempotent: true,
    responses: { 201: { description: 'The deposit.', body: deposit } },
    problems: ['customers_only', 'account_not_open', 'currency_mismatch', 'deposit_limit'],
  },
  listEntries: {
    method: 'get',
    path: '/v1/accounts/me/entries',
    summary: 'Movements on my account',
    description: 'The newest version first.',
    access: 'customer',
    query: paging,
    responses: { 200: { description: 'A page of movements.', body: pageOf('EntryPage', entry) } },
  },
});
