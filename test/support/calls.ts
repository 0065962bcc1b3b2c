import type { IncomingMessage } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { signToken } from '#functions/log-in/sign-token.ts';
import { beginChain, type EventContract, type EventData, type ShopEvent } from '#platform/events/event.ts';
import { decodeEvent, rawBody } from '#platform/events/event-codec.ts';
import { hideEvent, writeEvent } from '#platform/events/event-http.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import { signed } from '#platform/events/signature.ts';

/** An event as its producer publishes it. */
export function eventOf<Data extends EventData>(contract: EventContract<Data>, data: Data): ShopEvent {
  return signed(beginChain(contract.create(data)));
}

/** Delivers an event as a broker does, without the function runtime. */
export async function deliver(
  handle: (context: Context) => Promise<Answer>,
  event: CloudEventV1<unknown>,
): Promise<{ status: number; event?: ShopEvent; problem?: { code: string; detail: string } }> {
  const { headers, body } = writeEvent(event);
  const request = { method: 'POST', url: '/', headers, rawHeaders: Object.entries(headers).flat() };
  hideEvent(request as unknown as IncomingMessage);
  const response = await handle({ method: 'POST', headers, body: Buffer.from(body ?? '') });
  const status = response.statusCode;
  if (status === 200) return { status, event: eventIn(response) };
  return status === 204 ? { status } : { status, problem: asJson(response.body) as never };
}

function eventIn({ headers, body }: Answer): ShopEvent {
  const { [rawBody]: _bytes, ...event } = decodeEvent(headers, Buffer.from(String(body)), { versions: ['1.0'] });
  return event as ShopEvent;
}

type Role = 'customer' | 'admin';

/** The header that identifies a caller. */
export async function bearer(userId: string, role: Role = 'customer'): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await signToken({ id: userId, role })}` };
}

interface Call {
  userId?: string;
  role?: Role;
  key?: string;
  headers?: Record<string, string>;
}

/** Calls a function as the storefront does: with the caller's token and an Idempotency-Key, a new one by default. */
export async function call<Body>(
  handle: (context: Context) => Promise<Answer>,
  body: unknown,
  { userId, role = 'customer', key = uuidv7(), headers = {} }: Call = {},
): Promise<{ status: number; headers: Record<string, string>; body: Body }> {
  const authorization = userId ? await bearer(userId, role) : {};
  const all = { 'idempotency-key': key, 'x-request-id': uuidv7(), ...authorization, ...headers };
  const response = await handle({ method: 'POST', headers: all, body });
  // as it goes over the wire: a Date becomes a string
  const sent = JSON.parse(JSON.stringify(response.body)) as Body;
  return { status: response.statusCode, headers: response.headers, body: sent };
}

const asJson = (body: unknown): unknown => (typeof body === 'string' ? JSON.parse(body) : body);
