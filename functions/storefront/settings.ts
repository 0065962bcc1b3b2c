import { z } from 'zod';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';

export type StorefrontSettings = ReturnType<typeof readStorefrontSettings>;

/** Reads the settings of the storefront. Limits count in one instance alone. */
export const readStorefrontSettings = () =>
  settings({
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
    /** Signs cursors, so that only those that the shop issued are accepted: 32 bytes or more in base64url. */
    CURSOR_KEY: z.string().regex(/^[\w-]{43,}$/, 'must be 32 bytes or more in base64url'),
    /**
     * How many proxies of the shop a request passes, each of which adds to `X-Forwarded-For` the address that connected to
     * it; 0: the caller connects directly. What the caller wrote there itself stands further left and is ignored.
     */
    PROXY_HOPS: wholeNumber(0, 10).default(0),
  });
