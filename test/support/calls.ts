import type { IncomingMessage } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { beginChain, type EventContract, type EventData, type ShopEvent } from '#platform/events/event.ts';
import { decodeEvent, rawBody } from '#platform/events/event-codec.ts';
import { hideEvent, writeEvent } from '#platform/events/event-http.ts';
import type { EventHandle, FunctionResponse, Invocation } from '#platform/events/on-event.ts';
import type { RequestHandle } from '#platform/http/on-request.ts';
import { signed, signToken, started } from '#test/support/context.ts';

/** An event as its producer publishes it. */
export function eventOf<Data extends EventData>(contract: EventContract<Data>, data: Data): ShopEvent {
  return signed(beginChain(contract.create(data)));
}

/** Delivers an event to a function as a broker does, past the function runtime. */
export const deliver = (handle: EventHandle, event: CloudEventV1<unknown>) => deliverTo(started(handle), event);

/** The same to a function that is started already. */
export async function deliverTo(
  served: (invocation: Invocation) => Promise<FunctionResponse>,
  event: CloudEventV1<unknown>,
): Promise<{ status: number; event?: ShopEvent; problem?: { code: string; detail: string } }> {
  const { headers, body } = writeEvent(event);
  const request = { method: 'POST', url: '/', headers, rawHeaders: Object.entries(headers).flat() };
  hideEvent(request as unknown as IncomingMessage);
  const response = await served({ method: 'POST', headers, body: Buffer.from(body ?? '') });
  const status = response.statusCode;
  if (status === 200) return { status, event: eventIn(response) };
  return status === 204 ? { status } : { status, problem: asJson(response.body) as never };
}

function eventIn({ headers, body }: FunctionResponse): ShopEvent {
  const { [rawBody]: _bytes, ...event } = decodeEvent(headers, Buffer.from(String(body)), { versions: ['1.0'] });
  return event as ShopEvent;
}

type Role = 'customer' | 'admin';

/** The header with a caller's token. */
export async function bearer(userId: string, role: Role = 'customer'): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await signToken({ id: userId, role })}` };
}

interface Call {
  userId?: string;
  role?: Role;
  key?: string;
  headers?: Record<string, string>;
}

/** Calls a function as the storefront does: with the caller's token and an Idempotency-Key, new unless given. */
export const call = <Body>(handle: RequestHandle, body: unknown, from: Call = {}) =>
  callStarted<Body>(started(handle), body, from);

/** The same with a function that is started already. */
export async function callStarted<Body>(
  served: (invocation: Invocation) => Promise<FunctionResponse>,
  body: unknown,
  { userId, role = 'customer', key = uuidv7(), headers = {} }: Call = {},
): Promise<{ status: number; headers: Record<string, string>; body: Body }> {
  const token = userId ? await bearer(userId, role) : {};
  const sent = { 'idempotency-key': key, 'x-request-id': uuidv7(), ...token, ...headers };
  const response = await served({ method: 'POST', headers: sent, body });
  // what goes over the wire, so that a Date is a text
  const received = JSON.parse(JSON.stringify(response.body)) as Body;
  return { status: response.statusCode, headers: response.headers, body: received };
}

const asJson = (body: unknown): unknown => (typeof body === 'string' ? JSON.parse(body) : body);
