import { newUser } from '#api/users.ts';
import { userRegistered } from '#events/user-registered.ts';
import { beginChain } from '#platform/events/event.ts';
import { onRequest } from '#platform/http/on-request.ts';
import { publish } from '#platform/events/outbox.ts';
import { hashPassword } from '#platform/values/password.ts';
import { Problem } from '#platform/http/problem.ts';
import { findOwn, insertUser } from './queries.ts';

// runs next to the handler: publishes outbox rows that are due
export { relay as background } from '#platform/events/outbox.ts';

/** Registers a customer; `user.registered` then opens their billing account. */
export const handle = onRequest(newUser, async ({ body, requestId, traceparent }) => {
  const passwordHash = await hashPassword(body.password);
  const event = beginChain(userRegistered.create({ userId: requestId }), traceparent);
  const added = await insertUser({ ...body, id: requestId, passwordHash }, event);
  // no row: the e-mail is taken, or this same request succeeded before and its response got lost
  const user = added ?? (await findOwn(requestId, body.email));
  if (added) await publish(event);
  if (!user) throw new Problem('email_taken', 'Log in, or register with another e-mail address.');
  return { status: 201, body: user };
});
