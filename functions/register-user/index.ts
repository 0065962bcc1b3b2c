import { newUser } from '#api/users.ts';
import { userRegistered } from '#events/user-registered.ts';
import { beginChain } from '#platform/events/event.ts';
import { onRequest } from '#platform/http/on-request.ts';
import { publish } from '#platform/events/outbox.ts';
import { hashPassword } from '#platform/values/password.ts';
import { Problem } from '#platform/http/problem.ts';
import { findOwn, insertUser } from './queries.ts';

export { relay as background } from '#platform/events/outbox.ts';

/** Registers a customer; `user.registered` then opens their billing account. */
export const handle = onRequest(newUser, async ({ body, requestId, traceparent }) => {
  const passwordHash = await hashPassword(body.password);
  const event = beginChain(userRegistered.create({ userId: requestId }), traceparent);
  const added = await insertUser({ ...body, id: requestId, passwordHash }, event);
  // no row: the address is taken, or this very request was carried out before and its answer got lost
  const user = added ?? (await findOwn(requestId, body.email));
  if (added) await publish(event);
  if (!user) throw new Problem('email_taken', 'Log in, or register with another e-mail address.');
  return { status: 201, body: user };
});
