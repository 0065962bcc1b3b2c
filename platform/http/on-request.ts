import { createHash } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import type { FunctionContext } from '#platform/runtime/context.ts';
import { databaseProblem } from '#platform/database/database.ts';
import { isEvent } from '#platform/events/event-http.ts';
import type { FunctionResponse, Invocation } from '#platform/events/on-event.ts';
import { Problem, problemResponse, toProblem } from '#platform/http/problem.ts';
import type { Caller, VerifyToken } from '#platform/http/token.ts';
import { observeRequest } from '#platform/telemetry/observe.ts';
import { uuid } from '#platform/values/uuid.ts';

/** A function that responds to requests: JSON in, JSON out. */
export type RequestFunction = (invocation: Invocation) => Promise<FunctionResponse>;

/** What the folder of an HTTP function exports as `handle`: makes the function from its context. */
export type RequestHandle = (context: FunctionContext) => RequestFunction;

/** A request that needs no token. */
export interface Request<Body> {
  body: Body;
  /** UUIDv7 of the storefront, the same when it repeats the request: makes a repetition safe where there is no key. */
  requestId: string;
  /** W3C trace context of this request, a child of the caller's. */
  traceparent: string | undefined;
  /** Whether the storefront asked to serve it after others (`X-Priority: low`). */
  isLowPriority: boolean;
}

/** A request of a caller whose token was verified. */
export interface CallerRequest<Body> extends Request<Body> {
  caller: Caller;
}

/** A request that moves money: carried out once per caller and `Idempotency-Key`. */
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

/** Makes the handler of a function, once per process. */
type Prepare<Received> = (context: FunctionContext) => (request: Received) => Promise<Reply>;

/** A function for requests without a token. `body` is the schema of what it accepts. */
export function onRequest<Body>(body: z.ZodType<Body>, prepare: Prepare<Request<Body>>): RequestHandle {
  return requestHandle(prepare, () => async (invocation) => readRequest(body, invocation));
}

/** A function for customers whose request may be repeated without a key: the state of the object decides. */
export function onCustomerRequest<Body>(body: z.ZodType<Body>, prepare: Prepare<CallerRequest<Body>>): RequestHandle {
  return requestHandle(prepare, ({ verifyToken }) => async (invocation) => {
    const caller = await authenticateCustomer(verifyToken, invocation);
    return { ...readRequest(body, invocation), caller };
  });
}

/** A function for the administrator. */
export function onAdminRequest<Body>(body: z.ZodType<Body>, prepare: Prepare<CallerRequest<Body>>): RequestHandle {
  return requestHandle(prepare, ({ verifyToken }) => async (invocation) => {
    const caller = await verifyToken(invocation.headers.authorization);
    if (caller.role !== 'admin') throw new Problem('forbidden', 'Log in as the administrator.');
    return { ...readRequest(body, invocation), caller };
  });
}

/**
 * A function for commands of customers that move money. The token is verified here again: the functions do not trust the
 * storefront with it.
 */
export function onCommand<Body>(body: z.ZodType<Body>, prepare: Prepare<Command<Body>>): RequestHandle {
  return requestHandle(prepare, ({ verifyToken }) => async (invocation) => {
    const caller = await authenticateCustomer(verifyToken, invocation);
    const idempotencyKey = readKey(invocation);
    const request = readRequest(body, invocation);
    const requestHash = createHash('sha256').update(JSON.stringify(request.body)).digest();
    return { ...request, caller, idempotencyKey, requestHash };
  });
}

async function authenticateCustomer(verifyToken: VerifyToken, { headers }: Invocation): Promise<Caller> {
  const caller = await verifyToken(headers.authorization);
  // an administrator has no billing account: an order would wait for one in vain
  if (caller.role !== 'customer') throw new Problem('customers_only', 'Log in as a customer.');
  return caller;
}

function requestHandle<Received extends { traceparent: string | undefined }>(
  prepare: Prepare<Received>,
  reader: (context: FunctionContext) => (invocation: Invocation) => Promise<Omit<Received, 'traceparent'>>,
): RequestHandle {
  return (context) => {
    const { name, log } = context;
    const read = reader(context);
    const handle = prepare(context);
    return async (invocation) => {
      const { traceparent, ended } = observeRequest(name, invocation.headers['traceparent']);
      try {
        if (invocation.method !== 'POST' || isEvent(invocation.headers)) {
          throw new Problem('malformed_request', 'This function is called by POST with a JSON body.');
        }
        const received = await read(invocation);
        const { status, body, headers } = await handle({ ...received, traceparent } as Received);
        ended({ status });
        return { statusCode: status, headers: { 'content-type': 'application/json', ...headers }, body };
      } catch (error) {
        const problem = toProblem(databaseProblem(error));
        ended({ status: problem.status });
        if (problem.status >= 500) log.error({ err: problem.cause ?? problem }, problem.message);
        return problemResponse(problem);
      }
    };
  };
}

function readRequest<Body>(schema: z.ZodType<Body>, { headers, body }: Invocation): Omit<Request<Body>, 'traceparent'> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const errors = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
    throw new Problem('invalid_body', 'See errors for what to correct.', { errors });
  }
  const requestId = uuid.safeParse(headers['x-request-id'] ?? uuidv7());
  if (!requestId.success) throw new Problem('malformed_request', 'X-Request-Id must be a UUID.');
  return { body: parsed.data, requestId: requestId.data, isLowPriority: headers['x-priority'] === 'low' };
}

function readKey({ headers }: Invocation): string {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem(
      'idempotency_key_required',
      'Send an Idempotency-Key of 1 to 255 visible ASCII characters, a new one for each new deposit or order.',
    );
  }
  return key;
}
