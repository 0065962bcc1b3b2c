import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { call, newKey, type Reply } from '#test/support/api.ts';
import type { Notification, Order, Page } from '#test/support/customers.ts';
import { eventOf, post } from '#test/support/events.ts';
import { refusedPrefix } from '#test/support/mailbox.ts';
import { metricsUrls, samplesIn, scrape } from '#test/support/metrics.ts';
import { isOfTheCluster, namedIn, readDashboard, readRules } from '#test/support/observe.ts';
import { freePort } from '#test/support/ports.ts';
import { openReceiver, pathTo, type Receiver, type Span } from '#test/support/receiver.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { until } from '#test/support/until.ts';

// What the shop's metrics, traces and logs contain while it is used, and what they must not contain.

jest.setTimeout(120_000);

const trace = { caller: 'b'.repeat(16), id: uuidv7().replaceAll('-', '') };

// personal data and secrets that are searched for in all output
const canary = {
  email: `canary.${uuidv7()}@example.com`,
  name: `Canary ${uuidv7()}`,
  password: `password ${uuidv7()}`,
  wrongPassword: `wrong ${uuidv7()}`,
  key: `key-${uuidv7()}`,
  token: `${'x'.repeat(20)}.canary.${'y'.repeat(20)}`,
};

describe.each([
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
])('$mode', ({ processes }) => {
  let shop: Shop;
  let receiver: Receiver;
  let metricsPort: number;
  let token = '';
  let placed: Order;
  let rejected: Order;
  const errors: Reply<unknown>[] = []; // responses with an error, which must not disclose its cause

  beforeAll(async () => {
    [receiver, metricsPort] = [await openReceiver(), await freePort()];
    shop = await startShop({
      processes,
      env: {
        LOG_LEVEL: 'debug',
        METRICS_PORT: String(metricsPort),
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    });
    await shop.sql('create table public.seen as select * from events.outbox');
    await shop.sql(`create function public.see() returns trigger language plpgsql security definer as
      $$ begin insert into public.seen select new.*; return null; end $$`);
    await shop.sql(`create trigger see after insert on events.outbox for each row execute function public.see()`);
    await useShop();
  });
  afterAll(async () => {
    await shop?.stop();
    await receiver?.close();
  });

  const send = <Body>(to: string, body: unknown, headers: Record<string, string> = {}) =>
    call<Body>(shop, 'POST', to, { body, headers, ...(token !== '' && { token }) });
  const get = <Body>(from: string) => call<Body>(shop, 'GET', from, { token });
  const ended = ({ id }: Order, status: Order['status']) =>
    until(`order ${id} is ${status}`, async () => (await get<Order>(`/v1/orders/${id}`)).body.status === status);
  const notified = ({ id }: Order, mails: number) =>
    until(`${mails} mails of order ${id} are sent`, async () => {
      const { data } = (await get<Page<Notification>>(`/v1/notifications?orderId=${id}`)).body;
      return data.filter(({ status }) => status === 'sent').length === mails;
    });

  /** One order is paid and then canceled, one is rejected; and every kind of failure occurs. */
  async function useShop(): Promise<void> {
    const { email, name, password } = canary;
    expect((await send('/v1/users', { email, name, password })).status).toBe(201);
    errors.push(await send('/v1/users', { email, name, password }));
    errors.push(await send('/v1/sessions', { email, password: canary.wrongPassword }));
    errors.push(await send('/v1/sessions', `{"email": "${email}", "password": "${canary.wrongPassword}`));
    errors.push(await call(shop, 'GET', '/v1/users/me', { token: canary.token }));
    await refusedByTheDatabase();
    token = (await send<{ token: string }>('/v1/sessions', { email, password })).body.token;
    await until('the account is open', async () => (await get('/v1/accounts/me')).status === 200);
    const deposit = { amount: 100_000, currency: 'usd' };
    await send('/v1/accounts/me/deposits', deposit, { 'idempotency-key': canary.key });
    const desk = { items: [{ sku: 'desk', quantity: 1 }] };
    const traceparent = `00-${trace.id}-${trace.caller}-01`;
    placed = (await send<Order>('/v1/orders', desk, { 'idempotency-key': newKey(), traceparent })).body;
    await ended(placed, 'paid');
    rejected = (await send<Order>('/v1/orders', desk, { 'idempotency-key': newKey() })).body;
    await ended(rejected, 'rejected');
    await call(shop, 'POST', `/v1/orders/${placed.id}/cancel`, { token });
    await ended(placed, 'refunded');
    await notified(placed, 2);
    await notified(rejected, 1);
    await refusedByTheMailServer();
    await post(shop, {
      ...eventOf(orderPlaced, { orderId: placed.id, userId: uuidv7() }),
      signature: 'untrusted.none',
    });
  }

  async function refusedByTheDatabase(): Promise<void> {
    await shop.sql(`alter table users.users add constraint no_twin check (name not like '%twin') not valid`);
    const twin = { email: `twin.${canary.email}`, name: `${canary.name} twin`, password: canary.password };
    errors.push(await send('/v1/users', twin));
    expect(errors.map(({ status }) => status)).toEqual([409, 401, 400, 401, 500]);
  }

  async function refusedByTheMailServer(): Promise<void> {
    const { name, password } = canary;
    await send('/v1/users', { email: `${refusedPrefix}${canary.email}`, name, password });
    await until('the mail has failed', async () => {
      const failed = await shop.sql(`select id from notifying.notifications where status = 'failed'`);
      return failed.length === 1;
    });
  }

  const metrics = async () => scrape(metricsUrls(shop, metricsPort));

  test('counts everything once in the metrics', async () => {
    const samples = samplesIn(await metrics());
    const sum = (name: string, labels: Record<string, string>) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        .reduce((total, { value }) => total + value, 0);
    const handled = (by: string, type: string, result: string) =>
      sum('shop_event_handling_seconds_count', { function: by, type: `shop.${type}.v1`, result });
    const counted = (by: string, outcome: string) => sum('shop_orders_total', { function: by, outcome });
    expect(counted('create-order', 'pending')).toBe(2);
    expect(counted('cancel-order', 'canceling')).toBe(1);
    for (const outcome of ['paid', 'rejected', 'refunded']) expect(counted('settle-order', outcome)).toBe(1);
    expect(handled('charge-account', 'order.placed', 'replied')).toBeGreaterThanOrEqual(2);
    expect(handled('send-notification', 'order.refunded', 'done')).toBeGreaterThanOrEqual(1);
    expect(handled('charge-account', 'order.placed', 'refused')).toBe(1);
    expect(sum('shop_mails_total', { function: 'send-notification', result: 'refused' })).toBe(1);
    expect(sum('shop_mails_total', { result: 'sent' })).toBeGreaterThanOrEqual(5);
    expect(sum('shop_dead_letters', { reason: 'unverified' })).toBe(1);
    expect(sum('shop_request_seconds_count', { function: 'create-order', status: '202' })).toBe(2);
    expect(sum('shop_request_seconds_count', { function: 'storefront', status: '500' })).toBe(1);
    // each function under its own database role
    for (const name of processes
      ? ['register-user', 'deposit-money', 'create-order', 'cancel-order', 'sweep']
      : ['shop']) {
      const age = { name: 'shop_outbox_oldest_seconds', labels: { function: name } };
      expect(samples).toContainEqual(expect.objectContaining(age));
    }
    const serving = processes ? ['storefront', 'charge-account', 'sweep'] : ['shop'];
    for (const name of serving) {
      expect(sum('nodejs_eventloop_lag_p99_seconds', { function: name })).toBeGreaterThan(0);
      expect(samples).toContainEqual(
        expect.objectContaining({ name: 'shop_database_waiting', labels: { function: name } }),
      );
    }
  });

  test('exports every metric of the shop that the dashboard and the alerts query', async () => {
    const samples = samplesIn(await metrics());
    const exported = new Set(samples.map(({ name }) => name));
    const queried = [...readRules(), ...readDashboard()]
      .flatMap(({ expr }) => namedIn(expr))
      .filter((name) => !isOfTheCluster(name));
    expect(queried.length).toBeGreaterThan(20);
    expect(queried.filter((name) => !exported.has(name))).toEqual([]);
  });

  test('does not serve the metrics publicly', async () => {
    expect((await call(shop, 'GET', '/metrics', { token })).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/`)).status).toBe(404);
  });

  const chainOf = (function_: string, ...hops: string[]) => [
    function_,
    ...hops.flatMap((hop, index) => (index === 0 ? [`publish shop.${hop.split(' ')[1]}.v1`, step(hop)] : [step(hop)])),
    'send mail',
  ];
  const step = (hop: string) => `${hop.split(' ')[0]} shop.${hop.split(' ')[1]}.v1`;

  test('records an order as one trace under its caller’s, from the public API to the mail', async () => {
    const spans = await wholeTrace(() => trace.id, trace.caller);
    expect(pathTo(spans, 'send mail')).toEqual([
      'POST /v1/orders',
      ...chainOf(
        'create-order',
        'charge-account order.placed',
        'settle-order charge.succeeded',
        'send-notification order.paid',
      ),
    ]);
    if (processes) {
      const services = new Set(spans.map(({ service }) => service));
      const expected = ['storefront', 'create-order', 'charge-account', 'settle-order', 'send-notification'];
      expect([...services].toSorted()).toEqual(expected.toSorted());
    }
  });

  test('starts a trace for an order without one, and another for its cancel', async () => {
    const traceOf = (chain: string) => async () => {
      const [seen] = await shop.sql<{ traceparent: string }>(
        `select event ->> 'traceparent' as traceparent from public.seen where id = $1`,
        [chain],
      );
      return seen?.traceparent.split('-')[1] ?? '';
    };
    const spans = await wholeTrace(traceOf(`${rejected.id}.placed`));
    expect(pathTo(spans, 'send mail').slice(0, 2)).toEqual(['POST /v1/orders', 'create-order']);
    expect(pathTo(spans, 'send mail').at(-2)).toBe('send-notification shop.order.rejected.v1');
    const cancel = await wholeTrace(traceOf(`${placed.id}.cancel_requested`));
    expect(pathTo(cancel, 'send mail')).toEqual([
      'POST /v1/orders/:id/cancel',
      ...chainOf(
        'cancel-order',
        'refund-charge order.cancel_requested',
        'settle-order charge.refunded',
        'send-notification order.refunded',
      ),
    ]);
  });

  /** The spans of a trace, once it is one connected tree that ends with a mail. */
  async function wholeTrace(traceId: () => string | Promise<string>, above?: string): Promise<Span[]> {
    const id = await traceId();
    return until(`trace ${id} is whole`, () => {
      const spans = receiver.spans.filter((span) => span.traceId === id);
      const known = new Set(spans.map(({ spanId }) => spanId));
      const tops = spans.filter(({ parentSpanId }) => !parentSpanId || !known.has(parentSpanId));
      const isWhole = tops.length === 1 && (tops[0]?.parentSpanId ?? '') === (above ?? '');
      return isWhole && spans.some(({ name }) => name === 'send mail') && spans;
    });
  }

  test('logs one line with its chain for each handled event', async () => {
    const lines = shop
      .output()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
    const ofChain = lines.filter(
      ({ msg, correlationid }) => msg === 'event' && correlationid === `${placed.id}.placed`,
    );
    const expected = [
      ['charge-account', 'shop.order.placed.v1', 'replied'],
      ['settle-order', 'shop.charge.succeeded.v1', 'replied'],
      ['send-notification', 'shop.order.paid.v1', 'done'],
    ];
    for (const [by, type, result] of expected) {
      expect(ofChain).toContainEqual(
        expect.objectContaining({ level: 'info', function: by, type, result, ms: expect.any(Number) }),
      );
    }
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        function: 'register-user',
        err: expect.objectContaining({ code: '23514', constraint: 'no_twin' }),
      }),
    );
  });

  test('never outputs passwords, tokens, addresses, names or keys', async () => {
    const secrets = await secretsOf(shop);
    const events = await shop.sql(
      `select event::text from public.seen
       union all select event::text from events.dead_letters
       union all select detail::text from notifying.notifications`,
    );
    const recorded = { metrics: await metrics(), events: JSON.stringify(events), errors: JSON.stringify(errors) };
    await shop.stop(); // which sends the last spans
    const seen = { ...recorded, logs: shop.output(), spans: receiver.raw() };
    for (const text of Object.values(seen)) expect(text.length).toBeGreaterThan(500);
    expect(seen.logs.length).toBeLessThan(190_000); // longer output is truncated at its start
    const found = Object.entries({ ...canary, session: token, ...secrets }).flatMap(([what, secret]) =>
      Object.entries(seen).flatMap(([where, text]) => (text.includes(secret) ? [`${what} in the ${where}`] : [])),
    );
    expect(found).toEqual([]);
  });
});

/** The keys and passwords of a shop, and the hash of the canary's password. */
async function secretsOf(shop: Shop): Promise<Record<string, string>> {
  const [user] = await shop.sql<{ hash: string }>('select password_hash as hash from users.users where email = $1', [
    canary.email,
  ]);
  const { EVENT_KEYS, TOKEN_PRIVATE_KEY, adminPassword } = shop.secrets;
  const secrets = {
    adminPassword,
    hash: user?.hash ?? '',
    eventKey: EVENT_KEYS.split(':')[1] ?? '',
    tokenKey: (JSON.parse(TOKEN_PRIVATE_KEY) as { d: string }).d,
    databasePassword: readFileSync(path.join(shop.dataDir, 'postgres.password'), 'utf8').trim(),
  };
  expect(Object.values(secrets).filter((secret) => secret.length < 15)).toEqual([]);
  return secrets;
}
