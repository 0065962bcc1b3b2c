/**
 * Every problem that the API can return: its HTTP status and its title (RFC 9457, section 3.1).
 * The caller sees the code and the detail; the cause goes to the log only.
 */
export const problems = {
  malformed_request: [400, 'The request cannot be read'],
  bad_event: [400, 'The event cannot be handled'],
  unverified_event: [400, 'The event was not published by this shop'],
  bad_cursor: [400, 'The cursor is not valid'],
  idempotency_key_required: [400, 'An Idempotency-Key header is required'],
  unauthenticated: [401, 'A valid bearer token is required'],
  invalid_credentials: [401, 'E-mail or password is wrong'],
  forbidden: [403, 'This is for administrators'],
  customers_only: [403, 'This is for customers'],
  not_found: [404, 'There is nothing here'],
  account_not_open: [404, 'The billing account is not open yet'],
  method_not_allowed: [405, 'This method is not allowed here'],
  email_taken: [409, 'This e-mail is registered already'],
  order_not_cancelable: [409, 'The order cannot be canceled'],
  body_too_large: [413, 'The request body is too large'],
  unsupported_media_type: [415, 'Only application/json is understood'],
  invalid_body: [422, 'The request body is not valid'],
  not_replayable: [422, 'The event cannot be sent again'],
  unknown_sku: [422, 'The order names a product that is not in the catalogue'],
  order_too_large: [422, 'The total of the order cannot be charged'],
  currency_mismatch: [422, 'The account has another currency'],
  deposit_limit: [422, 'The account cannot take so much money'],
  idempotency_key_reused: [422, 'This Idempotency-Key was used with another body'],
  too_many_requests: [429, 'Too many requests'],
  internal: [500, 'Something went wrong in the shop'],
  unavailable: [503, 'The service is temporarily unavailable'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problems;

/** One thing that is wrong with a body: where (`items.0.quantity`) and what. */
export interface BodyError {
  field: string;
  message: string;
}

interface Extra {
  errors?: BodyError[];
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** A refusal that is reported to the caller. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: BodyError[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ProblemCode, detail: string, { errors, retryAfterSeconds, cause }: Extra = {}) {
    super(detail, { cause });
    this.code = code;
    this.status = problems[code][0];
    this.errors = errors;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The problem that an error stands for: itself, or `internal` with the error as its cause and nothing of it shown. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('internal', 'The request was not carried out. Please try again later.', { cause: error });
}

/** A problem as `application/problem+json`. */
export function problemResponse(problem: Problem) {
  const { code, status, message, errors, retryAfterSeconds } = problem;
  return {
    statusCode: status,
    headers: {
      'content-type': 'application/problem+json',
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    } as Record<string, string>,
    body: {
      type: `urn:shop:problem:${code}`,
      title: problems[code][1],
      status,
      detail: message,
      code,
      ...(errors && { errors }),
    },
  };
}
