import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import { newDeposit } from '#api/accounts.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { onceMoreIfLost } from '#platform/database/lost.ts';
import { beginChain } from '#platform/events/event.ts';
import { onCommand, type Command } from '#platform/http/on-request.ts';
import { Problem } from '#platform/http/problem.ts';
import { findAccount, findDeposit, insertDeposit, type StoredDeposit } from './queries.ts';

type NewDeposit = z.infer<typeof newDeposit>;

/** Credits a deposit to the caller's account, once per `Idempotency-Key`. */
export const handle = onCommand(newDeposit, ({ database, outbox, clock }) => async (command) => {
  const { body, caller, idempotencyKey, traceparent } = command;
  const account = await findAccount(database, caller.id);
  if (!account) {
    throw new Problem('account_not_open', 'It opens shortly after registration.', { retryAfterSeconds: 1 });
  }
  const earlier = await findDeposit(database, caller.id, idempotencyKey);
  if (earlier) return { status: 201, body: sameResponse(earlier, command) };
  if (account.currency !== body.currency) {
    throw new Problem('currency_mismatch', `This account only takes ${account.currency}.`);
  }
  const succeeded = depositSucceeded.create({ depositId: uuidv7(), accountId: account.id, userId: caller.id, ...body });
  const event = beginChain(succeeded, { now: clock.now(), traceparent });
  const deposit = await onceMoreIfLost(() => insertDeposit(database, command, event));
  if (deposit) {
    await outbox.publish(event);
    return { status: 201, body: response(deposit) };
  }
  // lost to a parallel request with the same key, or made by the attempt whose response was lost, or over the limit
  const other = await findDeposit(database, caller.id, idempotencyKey);
  if (other) return { status: 201, body: sameResponse(other, command) };
  throw new Problem('deposit_limit', 'An account takes at most 90,071,992,547,409.91 over its lifetime.');
});

function sameResponse(deposit: StoredDeposit, { requestHash }: Command<NewDeposit>) {
  if (!deposit.requestHash.equals(requestHash)) {
    throw new Problem('idempotency_key_reused', 'Use a new key for a new deposit.');
  }
  return response(deposit);
}

const response = ({ id, amount, currency, balance, createdAt }: StoredDeposit) => ({
  id,
  amount,
  currency,
  balance,
  createdAt,
});
