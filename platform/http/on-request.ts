import { createHash } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import { databaseProblem } from '#platform/database/database.ts';
import { isEvent } from '#platform/events/event-http.ts';
import { logOf, thisFunction } from '#platform/telemetry/log.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import { Problem, problemResponse, toProblem } from '#platform/http/problem.ts';
import { verifyToken, type Caller } from '#platform/http/token.ts';
import { watchRequest } from '#platform/telemetry/observe.ts';
import { uuid } from '#platform/values/uuid.ts';

/** A room that answers a request: JSON in, JSON out. `by` names the function where a process serves several. */
export type RequestHandle = (context: Context, by?: string) => Promise<Answer>;

/** A request that anybody may make. */
export interface Request<Body> {
  body: Body;
  /** UUIDv7 given by the storefront, the same when it asks again: what makes a repeat safe where there is no key. */
  requestId: string;
  /** W3C trace context of this request: below that of the caller. */
  traceparent: string | undefined;
  /** Whether it has to wait behind others, in the storefront's judgement (`X-Priority: low`). */
  isLowPriority: boolean;
}

/** A request of a known caller. */
export interface CallerRequest<Body> extends Request<Body> {
  caller: Caller;
}

/** A request of a known caller that moves money: carried out once a caller and `Idempotency-Key`. */
export interface Command<Body> extends CallerRequest<Body> {
  idempotencyKey: string;
  /** SHA-256 of the parsed body: the same key with another body is refused. */
  requestHash: Buffer;
}

export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** A room that anybody may call through the storefront. `body` says what it accepts. */
export function onRequest<Body>(
  body: z.ZodType<Body>,
  answer: (request: Request<Body>) => Promise<Reply>,
): RequestHandle {
  return requestHandle(async (context, traceparent) => answer({ ...readRequest(body, context), traceparent }));
}

/** A room for customers whose request may be repeated without a key: the state of what it names decides. */
export function onCustomerRequest<Body>(
  body: z.ZodType<Body>,
  answer: (request: CallerRequest<Body>) => Promise<Reply>,
): RequestHandle {
  return requestHandle(async (context, traceparent) => {
    const caller = await authenticateCustomer(context.headers.authorization);
    return answer({ ...readRequest(body, context), caller, traceparent });
  });
}

/** The same for the administrator. */
export function onAdminRequest<Body>(
  body: z.ZodType<Body>,
  answer: (request: CallerRequest<Body>) => Promise<Reply>,
): RequestHandle {
  return requestHandle(async (context, traceparent) => {
    const caller = await verifyToken(context.headers.authorization);
    if (caller.role !== 'admin') throw new Problem('forbidden', 'Log in as the administrator.');
    return answer({ ...readRequest(body, context), caller, traceparent });
  });
}

/**
 * A room for commands that move money, of customers only. The token is checked here again: the storefront is not
 * trusted with it.
 */
export function onCommand<Body>(
  body: z.ZodType<Body>,
  answer: (command: Command<Body>) => Promise<Reply>,
): RequestHandle {
  return requestHandle(async (context, traceparent) => {
    const caller = await authenticateCustomer(context.headers.authorization);
    const idempotencyKey = readKey(context);
    const request = readRequest(body, context);
    const requestHash = createHash('sha256').update(JSON.stringify(request.body)).digest();
    return answer({ ...request, caller, idempotencyKey, requestHash, traceparent });
  });
}

async function authenticateCustomer(authorization: string | undefined): Promise<Caller> {
  const caller = await verifyToken(authorization);
  // an administrator has no billing account: an order would wait for one in vain
  if (caller.role !== 'customer') throw new Problem('customers_only', 'Log in as a customer.');
  return caller;
}

function requestHandle(answer: (context: Context, traceparent: string | undefined) => Promise<Reply>): RequestHandle {
  return async (context, by = thisFunction) => {
    const { traceparent, ended } = watchRequest(by, context.headers['traceparent']);
    try {
      if (context.method !== 'POST' || isEvent(context.headers)) {
        throw new Problem('malformed_request', 'This function is called by POST with a JSON body.');
      }
      const { status, body, headers } = await answer(context, traceparent);
      ended({ status });
      return { statusCode: status, headers: { 'content-type': 'application/json', ...headers }, body };
    } catch (error) {
      const problem = toProblem(databaseProblem(error));
      ended({ status: problem.status });
      if (problem.status >= 500) logOf(by).error({ err: problem.cause ?? problem }, problem.message);
      return problemResponse(problem);
    }
  };
}

function readRequest<Body>(schema: z.ZodType<Body>, { headers, body }: Context): Omit<Request<Body>, 'traceparent'> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const errors = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
    throw new Problem('invalid_body', 'See errors for what to correct.', { errors });
  }
  const requestId = uuid.safeParse(headers['x-request-id'] ?? uuidv7());
  if (!requestId.success) throw new Problem('malformed_request', 'X-Request-Id must be a UUID.');
  return { body: parsed.data, requestId: requestId.data, isLowPriority: headers['x-priority'] === 'low' };
}

function readKey({ headers }: Context): string {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem(
      'idempotency_key_required',
      'Send an Idempotency-Key of 1 to 255 visible ASCII characters, a new one for each new deposit or order.',
    );
  }
  return key;
}
