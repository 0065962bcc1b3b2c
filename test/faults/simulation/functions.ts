import type { CloudEventV1 } from 'cloudevents';
import type { Database } from '#platform/database/database.ts';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import { deliverTo as deliverToStarted } from '#test/support/calls.ts';
import { startProcess, type SimulatedProcess } from '#test/support/simulated-process.ts';
import type { Receipt } from './broker.ts';
import type { Chance } from './chance.ts';
import { send, type Request } from './customers.ts';

const names = [
  ...['create-account', 'deposit-money', 'create-order', 'charge-account', 'cancel-order', 'refund-charge'],
  ...['settle-order', 'send-notification', 'park-event'],
];

/** Every function in two processes. */
export type Processes = readonly [SimulatedProcess, SimulatedProcess];

export async function startProcesses(database: Database, onMail: (notificationId: string) => void): Promise<Processes> {
  return [await startProcess(names, database, onMail), await startProcess(names, database, onMail)];
}

/** Waits for the background work of both processes. */
export async function tasksDone(processes: Processes): Promise<void> {
  await Promise.all(processes.map(({ context }) => context.tasks.done(5_000)));
}

/** Delivers an event to one of a function's processes. */
export async function deliverTo(
  processes: Processes,
  name: string,
  event: CloudEventV1<unknown>,
  chance: Chance,
): Promise<Receipt> {
  return deliverToStarted(chance.oneOf([...processes]).functionOf(name), event);
}

/** Sends a request to one of a function's processes. */
export const callFunction = (processes: Processes, request: Request, chance: Chance): Promise<FunctionResponse> =>
  send(chance.oneOf([...processes]).functionOf(request.to), request);
