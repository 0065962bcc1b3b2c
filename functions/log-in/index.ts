import { credentials } from '#api/users.ts';
import { onRequest } from '#platform/http/on-request.ts';
import { hashPassword, isPassword } from '#platform/values/password.ts';
import { Problem } from '#platform/http/problem.ts';
import { findUser } from './queries.ts';
import { expiresInSeconds, signToken } from './sign-token.ts';

// compared for an unknown e-mail, so that it takes as long as a wrong password
const unusedHash = hashPassword('a password that no user has');

/** Checks a password and signs a short-lived token. An unknown e-mail and a wrong password get the same response. */
export const handle = onRequest(credentials, async ({ body: { email, password }, isLowPriority: isSuspect }) => {
  const user = await findUser(email);
  const correct = await isPassword(password, user?.passwordHash ?? (await unusedHash), { isSuspect });
  if (!user || !correct) throw new Problem('invalid_credentials', 'Check both, or register first.');
  const token = await signToken(user);
  return { status: 201, body: { token, tokenType: 'Bearer', expiresIn: expiresInSeconds } };
});
