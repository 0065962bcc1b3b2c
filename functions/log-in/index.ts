import { credentials } from '#api/users.ts';
import { onRequest } from '#platform/http/on-request.ts';
import { Problem } from '#platform/http/problem.ts';
import { findUser } from './queries.ts';
import { createTokenSigner, expiresInSeconds } from './sign-token.ts';

/** Checks a password and signs a short-lived token. An unknown e-mail and a wrong password get the same response. */
export const handle = onRequest(credentials, ({ database, passwords, clock }) => {
  const signToken = createTokenSigner(clock);
  // compared for an unknown e-mail, so that it takes as long as a wrong password
  const unusedHash = passwords.hash('a password that no user has');

  return async ({ body: { email, password }, isLowPriority: isSuspect }) => {
    const user = await findUser(database, email);
    const passwordHash = user?.passwordHash ?? (await unusedHash);
    const isCorrect = await passwords.matches(password, passwordHash, { isSuspect });
    if (!user || !isCorrect) throw new Problem('invalid_credentials', 'Check both, or register first.');
    const token = await signToken(user);
    return { status: 201, body: { token, tokenType: 'Bearer', expiresIn: expiresInSeconds } };
  };
});
