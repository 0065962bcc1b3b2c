import { uuidv7 } from 'uuidv7';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { userRegistered } from '#events/user-registered.ts';
import { signToken } from '#test/support/context.ts';
import { beginChain } from '#platform/events/event.ts';
import { call, callUntilResponse, newKey, type Reply } from './api.ts';
import type { Shop } from './shop.ts';
import { until } from './until.ts';

export interface Order {
  id: string;
  status: 'pending' | 'paid' | 'rejected' | 'canceling' | 'canceled' | 'refunded';
  reason: string | null;
  total: number;
  currency: string;
  items: { sku: string; name: string; quantity: number; unitPrice: number }[];
  createdAt: string;
  settledAt: string | null;
}

export interface Account {
  id: string;
  balance: number;
  version: number;
}

/** A movement on an account. */
export interface Entry {
  kind: string;
  amount: number;
  balance: number;
  version: number;
  orderId: string | null;
}

export interface Notification {
  id: string;
  orderId: string | null;
  template: string;
  to: string;
  subject: string;
  status: 'queued' | 'sent' | 'failed';
  createdAt: string;
}

export interface Page<Row> {
  data: Row[];
  nextCursor: string | null;
}

interface Identity {
  id: string;
  email: string;
  token: string;
}

/** A customer who is logged in, and what customers do. */
export interface Customer extends Identity {
  get<Body>(path: string): Promise<Reply<Body>>;
  post<Body>(path: string, body: unknown, key?: string): Promise<Reply<Body>>;
  account(): Promise<Account>;
  deposit(amount: number): Promise<void>;
  /** Places an order, with retries until there is a final response; throws if it is not accepted. */
  order(sku: string, quantity?: number, key?: string): Promise<Order>;
  /** Cancels an order, with retries until there is a final response; throws if it is not accepted. */
  cancel(orderId: string): Promise<Order>;
  /** The order once it is settled and, if it is being canceled, the cancel has ended. */
  settled(orderId: string): Promise<Order>;
  /** The notifications of the order, once there is one and all are sent or failed. */
  notified(orderId: string): Promise<Notification[]>;
}

/** Registers a customer through the API, logs in and waits until the account is open. */
export async function register(shop: Shop, { prefix = '' } = {}): Promise<Customer> {
  const email = `${prefix}${uuidv7()}@example.com`;
  const body = { email, password: 'correct horse battery', name: 'Ann' };
  const registered = await callUntilResponse<{ id: string }>(shop, 'POST', '/v1/users', { body });
  // 409: an earlier attempt was executed and its response was lost
  if (registered.status !== 201 && registered.status !== 409) throw new Error(`registration: ${registered.status}`);
  const session = await callUntilResponse<{ token: string }>(shop, 'POST', '/v1/sessions', { body });
  const { token } = session.body;
  const me = await callUntilResponse<{ id: string }>(shop, 'GET', '/v1/users/me', { token });
  const customer = customerOf(shop, { id: me.body.id, email, token });
  await until('the account is open', async () => (await customer.get('/v1/accounts/me')).status === 200);
  return customer;
}

/** The administrator's token. */
export async function adminToken(shop: Shop): Promise<string> {
  const body = { email: 'admin@example.com', password: shop.secrets.adminPassword };
  return (await callUntilResponse<{ token: string }>(shop, 'POST', '/v1/sessions', { body })).body.token;
}

/**
 * Inserts customers by SQL, because a registration costs a password hash. They have no password and no account yet, and
 * tokens as from log-in.
 */
export async function newCustomers(shop: Shop, count: number, { prefix = '' } = {}): Promise<Customer[]> {
  const identities = Array.from({ length: count }, () => uuidv7()).map((id) => ({
    id,
    email: `${prefix}${id}@example.com`,
  }));
  await shop.sql(
    `insert into users.users (id, email, name, password_hash)
     select id, email, 'Ann', '$argon2id$none'
       from unnest($1::uuid[], $2::text[]) as customer (id, email)`,
    [identities.map(({ id }) => id), identities.map(({ email }) => email)],
  );
  return Promise.all(
    identities.map(async (identity) =>
      customerOf(shop, { ...identity, token: await signToken({ id: identity.id, role: 'customer' }) }),
    ),
  );
}

/**
 * Opens accounts with a deposit of `amount` in one transaction, as create-account and deposit-money leave them. The chains
 * of both are open in the outbox, so that the shop still sends the welcome and the receipt.
 */
export async function openAccounts(shop: Shop, customers: Customer[], amount: number): Promise<void> {
  const accounts = customers.map(({ id: userId }) => ({ userId, accountId: uuidv7(), depositId: uuidv7() }));
  const chains = accounts.flatMap(({ userId, accountId, depositId }) => [
    beginChain(userRegistered.create({ userId })),
    ...(amount > 0
      ? [beginChain(depositSucceeded.create({ depositId, accountId, userId, amount, currency: 'usd' }))]
      : []),
  ]);
  await shop.sql(
    `with account as (
       select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as account (id, user_id, deposit_id)
     ), opened as (
       insert into billing.accounts (id, user_id, balance, deposited, version)
       select id, user_id, $4::bigint, $4::bigint, case when $4::bigint > 0 then 1 else 0 end
         from account
     ), deposited as (
       insert into billing.deposits
              (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
       select deposit_id, id, user_id, deposit_id, '', $4::bigint, 'usd', $4::bigint
         from account
        where $4::bigint > 0
     ), moved as (
       insert into billing.transfers
              (id, kind, debit_account_id, credit_account_id, amount, currency, account_version, balance_after)
       select deposit_id, 'deposit', '00000000-0000-0000-0000-000000000001', id, $4::bigint, 'usd', 1, $4::bigint
         from account
        where $4::bigint > 0
     )
     insert into events.outbox (id, event, due_at)
     select id, event, clock_timestamp()
       from unnest($5::text[], $6::json[]) as chain (id, event)`,
    [
      accounts.map(({ accountId }) => accountId),
      accounts.map(({ userId }) => userId),
      accounts.map(({ depositId }) => depositId),
      amount,
      chains.map(({ id }) => id),
      chains.map((event) => JSON.stringify(event)),
    ],
  );
}

/** Customers with an account and this balance. */
export async function customersWith(shop: Shop, count: number, amount: number): Promise<Customer[]> {
  const customers = await newCustomers(shop, count);
  await openAccounts(shop, customers, amount);
  return customers;
}

/** One customer with an account and this balance. */
export async function customerWith(shop: Shop, amount: number): Promise<Customer> {
  const [customer] = await customersWith(shop, 1, amount);
  if (!customer) throw new Error('no customer');
  return customer;
}

function customerOf(shop: Shop, identity: Identity): Customer {
  const { token } = identity;
  const get = <Body>(path: string) => call<Body>(shop, 'GET', path, { token });
  return {
    ...identity,
    get,
    post: (path, body, key = newKey()) =>
      call(shop, 'POST', path, { token, body, headers: { 'idempotency-key': key } }),
    account: async () => (await get<Account>('/v1/accounts/me')).body,
    deposit: async (amount) => {
      const body = { amount, currency: 'usd' };
      const headers = { 'idempotency-key': newKey() };
      const { status } = await callUntilResponse(shop, 'POST', '/v1/accounts/me/deposits', { token, body, headers });
      if (status !== 201) throw new Error(`deposit: ${status}`);
    },
    order: async (sku, quantity = 1, key = newKey()) => {
      const body = { items: [{ sku, quantity }] };
      const headers = { 'idempotency-key': key };
      const reply = await callUntilResponse<Order>(shop, 'POST', '/v1/orders', { token, body, headers });
      if (reply.status !== 202) throw new Error(`order: ${reply.status} ${JSON.stringify(reply.body)}`);
      shop.history.accepted.add(reply.body.id);
      return reply.body;
    },
    cancel: async (orderId) => {
      const reply = await callUntilResponse<Order>(shop, 'POST', `/v1/orders/${orderId}/cancel`, { token });
      if (reply.status !== 202) throw new Error(`cancel: ${reply.status} ${JSON.stringify(reply.body)}`);
      shop.history.canceled.add(reply.body.id);
      return reply.body;
    },
    settled: (orderId) =>
      until(`order ${orderId} is settled`, async () => {
        const { status, body } = await get<Order>(`/v1/orders/${orderId}`);
        // any other status, such as 503 during an outage of the database, says nothing about the order
        return status === 200 && body.status !== 'pending' && body.settledAt !== null && body;
      }),
    notified: (orderId) =>
      until(`the customer is notified of order ${orderId}`, async () => {
        const { status: httpStatus, body } = await get<Page<Notification>>(`/v1/notifications?orderId=${orderId}`);
        if (httpStatus !== 200) return false;
        const { data } = body;
        return data.length > 0 && data.every(({ status }) => status !== 'queued') && data;
      }),
  };
}
