import { expect, test } from '@jest/globals';
import { readStream, type StreamReader } from '#test/support/event-stream.ts';
import { customersWith, customerWith, type Customer } from '#test/support/customers.ts';
import { report, until } from '#test/support/until.ts';
import { inProcesses, useShop } from '#test/support/use-shop.ts';

// The event stream of a customer.

const shop = useShop();
// in one process the storefront cannot be killed alone
const inProcessesOnly = inProcesses ? test : test.skip;

const watch = ({ token }: Customer, lastEventId?: string) =>
  readStream(`${shop().url}/v1/events`, {
    authorization: `Bearer ${token}`,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  });
const ofOrder = ({ messages }: StreamReader, orderId: string) =>
  messages.filter(({ data }) => data.correlationId.startsWith(`${orderId}.`));
const dataOf = (stream: StreamReader, orderId: string) => ofOrder(stream, orderId).map(({ data }) => data);
// one scan reads several tables: two events of the same time may arrive in either order
const asJson = (entry: unknown) => JSON.stringify(entry);
const untilSent = (stream: StreamReader, orderId: string, mails = 1) =>
  until(`${mails} mails of ${orderId} are in the stream`, () => {
    const sent = ofOrder(stream, orderId).filter(({ event }) => event === 'notification.sent');
    return sent.length === mails;
  });
const timelineOf = async (customer: Customer, orderId: string) =>
  (await customer.get<{ data: unknown[] }>(`/v1/orders/${orderId}/timeline`)).body.data;

test('a stream shows a customer each step of their order, and no other customer’s stream does', async () => {
  const [ann, bob] = (await customersWith(shop(), 2, 1_000)) as [Customer, Customer];
  const [stream, other] = [await watch(ann), await watch(bob)];
  const { id } = await ann.order('pen');
  const began = Date.now();
  await until('the stream says that the order is paid', () =>
    stream.messages.some(({ event }) => event === 'shop.order.paid.v1'),
  );
  report(`the stream said that an order is paid ${Date.now() - began} ms after it was accepted`);
  await untilSent(stream, id);
  expect((await ann.post(`/v1/orders/${id}/cancel`, {})).status).toBe(202);
  await untilSent(stream, id, 2);
  expect(dataOf(stream, id).map(asJson).toSorted()).toEqual((await timelineOf(ann, id)).map(asJson).toSorted());
  expect(ofOrder(stream, id).map(({ event }) => event)).toContain('shop.charge.refunded.v1');
  expect(ofOrder(other, id)).toEqual([]);
  await Promise.all([stream.close(), other.close()]);
});

inProcessesOnly('a stream cut by a kill of the storefront resumes where it was', async () => {
  const customer = await customerWith(shop(), 1_000);
  const stream = await watch(customer);
  const first = await customer.order('pen');
  await untilSent(stream, first.id);
  shop().kill('storefront');
  await stream.ended.catch(() => undefined);
  const second = await customer.order('pen');
  await customer.notified(second.id);
  const next = await until('the storefront is back', () => watch(customer, stream.lastEventId()));
  await untilSent(next, second.id);
  expect(ofOrder(next, first.id)).toEqual([]);
  expect(dataOf(next, second.id).map(asJson).toSorted()).toEqual(
    (await timelineOf(customer, second.id)).map(asJson).toSorted(),
  );
  await next.close();
});
