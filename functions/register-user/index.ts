import { newUser } from '#api/users.ts';
import { userRegistered } from '#events/user-registered.ts';
import { onceMoreIfLost } from '#platform/database/lost.ts';
import { beginChain } from '#platform/events/event.ts';
import { onRequest } from '#platform/http/on-request.ts';
import { Problem } from '#platform/http/problem.ts';
import { findOwn, insertUser } from './queries.ts';

/** Registers a customer; `user.registered` then opens their billing account. */
export const handle = onRequest(newUser, ({ database, outbox, clock, passwords }) => {
  return async ({ body, requestId, traceparent }) => {
    const passwordHash = await passwords.hash(body.password);
    const registered = userRegistered.create({ userId: requestId });
    const event = beginChain(registered, { now: clock.now(), traceparent });
    const user = { ...body, id: requestId, passwordHash };
    const added = await onceMoreIfLost(() => insertUser(database, user, event));
    // no row: the e-mail is taken, or this same request succeeded before and its response got lost
    const stored = added ?? (await findOwn(database, requestId, body.email));
    if (added) await outbox.publish(event);
    if (!stored) throw new Problem('email_taken', 'Log in, or register with another e-mail address.');
    return { status: 201, body: stored };
  };
});
