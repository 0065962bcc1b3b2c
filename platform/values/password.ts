import { hash, verify } from '@node-rs/argon2';
import { bounded } from '#platform/http/bounded.ts';

// OWASP Password Storage: argon2id with 19 MiB, 2 passes, 1 lane.
const options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

// The work runs in libuv's pool of 4 threads. One is left for what else needs it, as the look-up of a server's name;
// a request that would wait for seconds is better refused at once. Guesses take one slot at most: log-ins and
// registrations of customers stay fast meanwhile.
const inTurn = bounded(3, {
  registrations: { atOnce: 3, maxWaiting: 100 },
  logIns: { atOnce: 3, maxWaiting: 100 },
  suspects: { atOnce: 1, maxWaiting: 30 },
});

/** Hashes a password with argon2id; the result is in PHC form and carries its own salt and costs. */
export const hashPassword = (password: string): Promise<string> =>
  inTurn('registrations', () => hash(password, options));

/** Whether a password is the one behind a hash in PHC form. A suspect waits behind other suspects only. */
export const isPassword = (password: string, passwordHash: string, { isSuspect = false } = {}): Promise<boolean> =>
  inTurn(isSuspect ? 'suspects' : 'logIns', () => verify(passwordHash, password));
