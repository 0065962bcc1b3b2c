import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import { newDeposit } from '#api/accounts.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { beginChain } from '#platform/events/event.ts';
import { onCommand, type Command } from '#platform/http/on-request.ts';
import { publish } from '#platform/events/outbox.ts';
import { Problem } from '#platform/http/problem.ts';
import { findAccount, findDeposit, insertDeposit, type StoredDeposit } from './queries.ts';

// runs next to the handler: publishes outbox rows that are due
export { relay as background } from '#platform/events/outbox.ts';

type NewDeposit = z.infer<typeof newDeposit>;

/** Credits a deposit to the caller's account, once an `Idempotency-Key`. */
export const handle = onCommand(newDeposit, async (command) => {
  const { body, caller, traceparent } = command;
  const account = await findAccount(caller.id);
  if (!account) {
    throw new Problem('account_not_open', 'It opens shortly after registration.', { retryAfterSeconds: 1 });
  }
  const earlier = await findDeposit(caller.id, command.idempotencyKey);
  if (earlier) return { status: 201, body: sameResponse(earlier, command) };
  if (account.currency !== body.currency) {
    throw new Problem('currency_mismatch', `This account only takes ${account.currency}.`);
  }
  const succeeded = depositSucceeded.create({ depositId: uuidv7(), accountId: account.id, userId: caller.id, ...body });
  const event = beginChain(succeeded, traceparent);
  const deposit = await insertDeposit(command, event);
  if (deposit) {
    await publish(event);
    return { status: 201, body: response(deposit) };
  }
  // lost to a parallel request with the same key, or over the limit
  const other = await findDeposit(caller.id, command.idempotencyKey);
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
