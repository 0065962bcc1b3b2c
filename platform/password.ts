import { hash, verify } from '@node-rs/argon2';

// OWASP Password Storage: argon2id with 19 MiB, 2 passes, 1 lane. The work runs in libuv's pool of 4 threads,
// which bounds how much memory and how many cores log-ins can take at once.
const options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes a password with argon2id; the result is in PHC form and carries its own salt and costs. */
export async function hashPassword(password: string): Promise<string> {
  return hash(password, options);
}

/** Whether a password is the one behind a hash in PHC form. */
export async function isPassword(password: string, passwordHash: string): Promise<boolean> {
  return verify(passwordHash, password);
}
