import { hash, verify } from '@node-rs/argon2';
import { bounded } from '#platform/http/bounded.ts';

// OWASP Password Storage: argon2id with 19 MiB, 2 passes, 1 lane.
const options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes and checks passwords. Throws `unavailable` when too many of them wait. */
export interface Passwords {
  /** Hashes a password with argon2id; the result is in PHC form and carries its own salt and costs. */
  hash(password: string): Promise<string>;
  /** Whether a password is the one behind a hash in PHC form. A suspect waits behind other suspects only. */
  matches(password: string, passwordHash: string, options?: { isSuspect?: boolean }): Promise<boolean>;
}

/**
 * The password work of a process. It runs in libuv's pool of 4 threads, of which one is left for other work, such as name
 * resolution; a request that would wait for seconds is better refused at once. Guesses use one slot at most: log-ins and
 * registrations of customers stay fast meanwhile.
 */
export function createPasswords(): Passwords {
  const inTurn = bounded(3, {
    registrations: { atOnce: 3, maxWaiting: 100 },
    logIns: { atOnce: 3, maxWaiting: 100 },
    suspects: { atOnce: 1, maxWaiting: 30 },
  });
  return {
    hash: (password) => inTurn('registrations', () => hash(password, options)),
    matches: (password, passwordHash, { isSuspect = false } = {}) =>
      inTurn(isSuspect ? 'suspects' : 'logIns', () => verify(passwordHash, password)),
  };
}
