import { z } from 'zod';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';

/** Limits count in this instance alone. */
export const storefrontSettings = settings({
  /** Requests a second of one customer, or of one address without a token. */
  RATE_LIMIT_REQUESTS: wholeNumber(1, 1_000_000).default(500),
  /** Registrations a second from one address. */
  RATE_LIMIT_REGISTRATIONS: wholeNumber(1, 1_000_000).default(50),
  /** Failed log-ins a minute for one e-mail from one address. */
  RATE_LIMIT_FAILED_LOGINS: wholeNumber(1, 1_000_000).default(10),
  /** Failed log-ins a minute from one address, whatever the e-mail. */
  RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS: wholeNumber(1, 1_000_000).default(100),
  /** Open event streams in all. */
  STREAM_LIMIT: wholeNumber(1, 100_000).default(500),
  /** Open event streams of one customer. */
  STREAM_LIMIT_PER_USER: wholeNumber(1, 100_000).default(5),
  /** Open event streams of all customers of one address. */
  STREAM_LIMIT_PER_ADDRESS: wholeNumber(1, 100_000).default(50),
  /** Signs cursors, so that only what the shop has handed out is looked up: 32 bytes or more in base64url. */
  CURSOR_KEY: z.string().regex(/^[\w-]{43,}$/, 'must be 32 bytes or more in base64url'),
  /**
   * How many proxies of ours a request passes, each of which adds to `X-Forwarded-For` who has called it; 0: whoever
   * connects is the caller. What a caller has written there itself stands further left and is not looked at.
   */
  PROXY_HOPS: wholeNumber(0, 10).default(0),
});
