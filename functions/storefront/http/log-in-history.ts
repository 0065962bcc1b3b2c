import type { FunctionResponse } from '#platform/events/on-event.ts';

/** What is remembered of an attempt to log in. */
export interface Attempt {
  /** Normalised. */
  email: string;
  address: string;
}

interface Options {
  now?: () => number;
  /** How long a failure counts. */
  failureMs?: number;
  /** How long an address is known for a customer. */
  knownMs?: number;
  /** The most entries of each memory; the oldest is forgotten first. */
  maxEntries?: number;
  /** How many log-ins of one address may be in flight before the next one is suspect. */
  maxInFlight?: number;
}

/**
 * Distinguishes log-ins that may be guesses from those of customers, by what this process has seen: an address or an e-mail
 * that failed is suspect for a while, and so is a burst from one address. An address from which a customer logged in stays
 * known for this customer: other failures, at the same address or for the same e-mail, do not count.
 */
export function createLogInHistory({
  now = Date.now,
  failureMs = 10 * 60_000,
  knownMs = 24 * 60 * 60_000,
  maxEntries = 20_000,
  maxInFlight = 2,
}: Options = {}) {
  const failed = createMemory(failureMs, maxEntries, now);
  const known = createMemory(knownMs, maxEntries, now);
  const inFlight = new Map<string, number>();

  function learn({ email, address }: Attempt, { statusCode }: FunctionResponse): void {
    const pair = `${address} ${email}`;
    if (statusCode === 201) known.add(pair);
    if (statusCode !== 401) return;
    known.delete(pair);
    failed.add(email);
    failed.add(address);
  }

  /** Makes an attempt by calling log-in with whether it is suspect, and remembers the result. */
  return async function attempt(
    from: Attempt,
    logIn: (isSuspect: boolean) => Promise<FunctionResponse>,
  ): Promise<FunctionResponse> {
    const { email, address } = from;
    const others = inFlight.get(address) ?? 0;
    inFlight.set(address, others + 1);
    try {
      const isKnown = known.has(`${address} ${email}`);
      const hasFailed = !isKnown && (failed.has(email) || failed.has(address));
      const response = await logIn(hasFailed || others >= maxInFlight);
      learn(from, response);
      return response;
    } finally {
      const left = (inFlight.get(address) ?? 1) - 1;
      if (left > 0) inFlight.set(address, left);
      else inFlight.delete(address);
    }
  };
}

/** Keys that are forgotten after a while, and the oldest ones when there are too many. */
function createMemory(forMs: number, maxEntries: number, now: () => number) {
  const addedAt = new Map<string, number>();
  return {
    has: (key: string) => (addedAt.get(key) ?? -Infinity) > now() - forMs,
    add(key: string): void {
      addedAt.delete(key); // so that it is the newest one
      addedAt.set(key, now());
      if (addedAt.size > maxEntries) addedAt.delete(addedAt.keys().next().value ?? '');
    },
    delete: (key: string) => addedAt.delete(key),
  };
}
