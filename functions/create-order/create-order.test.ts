import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { handle } from './index.ts';

useDatabase();

interface CreateOrderResponse {
  id: string;
  total: number;
  code: string;
}

const desk = { items: [{ sku: 'desk', quantity: 1 }] };
const place = (userId: string, body: unknown = desk, key = uuidv7()) =>
  call<CreateOrderResponse>(handle, body, { userId, key });
const ordersOf = (userId: string) => rows('select id from ordering.orders where user_id = $1', [userId]);

test('accepts an order at the prices of the catalogue, and stores an event that carries ids only', async () => {
  const userId = uuidv7();
  const items = [
    { sku: 'desk', quantity: 1 },
    { sku: 'pen', quantity: 3 },
    { sku: 'pen', quantity: 2 },
  ];
  const { status, headers, body } = await place(userId, { items });
  expect(status).toBe(202);
  expect(headers['location']).toBe(`/v1/orders/${body.id}`);
  expect(body).toEqual({
    id: body.id,
    status: 'pending',
    reason: null,
    total: 80_500,
    currency: 'usd',
    items: [
      { sku: 'desk', name: 'Desk', quantity: 1, unitPrice: 80_000 },
      { sku: 'pen', name: 'Pen', quantity: 3, unitPrice: 100 },
      { sku: 'pen', name: 'Pen', quantity: 2, unitPrice: 100 },
    ],
    createdAt: expect.any(String),
    settledAt: null,
  });
  const { event } = await row<{ event: object }>('select event from events.outbox where id = $1', [
    `${body.id}.placed`,
  ]);
  expect(event).toMatchObject({
    id: `${body.id}.placed`,
    type: 'shop.order.placed.v1',
    source: '/shop/create-order',
    correlationid: `${body.id}.placed`,
    partitionkey: userId,
    data: { orderId: body.id, userId },
  });
});

describe('the same Idempotency-Key', () => {
  test('places one order for a repeated key, in sequence and in parallel, with the same response', async () => {
    const userId = uuidv7();
    const key = uuidv7();
    const responses = await Promise.all([1, 2, 3, 4, 5].map(() => place(userId, desk, key)));
    responses.push(await place(userId, desk, key));
    for (const response of responses) expect(response).toEqual(responses[0]);
    expect(await ordersOf(userId)).toHaveLength(1);
    expect(await rows('select id from events.outbox where id = $1', [`${responses[0]?.body.id}.placed`])).toHaveLength(
      1,
    );
  });

  // promise: idempotency-key
  test('returns the order that another process is committing under the same key', async () => {
    const userId = uuidv7();
    const key = uuidv7();
    const first = await place(userId, desk, uuidv7());
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
       select $1, user_id, $2, request_hash, total, currency from ordering.orders where id = $3`,
      [uuidv7(), key, first.body.id],
    );
    const response = place(userId, desk, key);
    await waitingForLock();
    await other.query('commit');
    const { id } = await row<{ id: string }>('select id from ordering.orders where idempotency_key = $1', [key]);
    expect(await response).toMatchObject({ status: 202, body: { id } });
    expect(await ordersOf(userId)).toHaveLength(2);
  });

  test('refuses a key that is reused with another body, and places another order for another key', async () => {
    const userId = uuidv7();
    const key = uuidv7();
    await place(userId, desk, key);
    expect(await place(userId, { items: [{ sku: 'desk', quantity: 2 }] }, key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect((await place(userId)).status).toBe(202);
    expect(await ordersOf(userId)).toHaveLength(2);
  });

  test('accepts a key again after a refusal, which wrote nothing', async () => {
    const userId = uuidv7();
    const key = uuidv7();
    expect((await place(userId, { items: [{ sku: 'car', quantity: 1 }] }, key)).status).toBe(422);
    expect((await place(userId, desk, key)).status).toBe(202);
  });
});

describe('refusals', () => {
  const pens = (quantity: unknown) => ({ items: [{ sku: 'pen', quantity }] });
  test.each([
    ['no items', { items: [] }],
    ['no body', null],
    ['quantity 0', pens(0)],
    ['a negative quantity', pens(-1)],
    ['a fractional quantity', pens(1.5)],
    ['a quantity as text', pens('1')],
    ['too many of one product', pens(1_000_001)],
    ['too many lines', { items: Array.from({ length: 101 }, () => ({ sku: 'pen', quantity: 1 })) }],
  ])('refuses %s, and writes nothing', async (_what, body) => {
    const userId = uuidv7();
    expect(await place(userId, body)).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
    expect(await ordersOf(userId)).toEqual([]);
  });

  test('refuses an unknown product by its position, without holding up the other orders of the batch', async () => {
    const [ann, bob] = [uuidv7(), uuidv7()];
    const unknown = {
      items: [
        { sku: 'pen', quantity: 1 },
        { sku: 'car', quantity: 1 },
      ],
    };
    const [first, refused, last] = await Promise.all([place(bob), place(ann, unknown), place(bob)]);
    expect(refused).toMatchObject({ status: 422, body: { code: 'unknown_sku', errors: [{ field: 'items.1.sku' }] } });
    expect([first.status, last.status]).toEqual([202, 202]);
    expect(await ordersOf(ann)).toEqual([]);
  });

  test('refuses a total that no account can hold', async () => {
    await rows(`insert into ordering.products values ('moon', 'Moon', 9007199254740991, 'usd')`);
    const userId = uuidv7();
    expect(await place(userId, { items: [{ sku: 'moon', quantity: 1_000_000 }] })).toMatchObject({
      status: 422,
      body: { code: 'order_too_large' },
    });
    expect(await ordersOf(userId)).toEqual([]);
  });

  test('refuses a caller without a token', async () => {
    expect(await call(handle, desk)).toMatchObject({ status: 401 });
  });
});

// promise: administrator
test('refuses an order of the administrator, who never gets an account to pay for it', async () => {
  const userId = uuidv7();
  const response = await call<CreateOrderResponse>(handle, desk, { userId, role: 'admin' });
  expect(response).toMatchObject({ status: 403, body: { code: 'customers_only' } });
  expect(await ordersOf(userId)).toEqual([]);
});
