import type { CloudEventV1 } from 'cloudevents';
import { deliver } from '#test/support/calls.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import type { Chance } from './chance.ts';
import type { Receipt } from './broker.ts';
import { send, type Request } from './customers.ts';

type Handle = (context: Context) => Promise<Answer>;

const names = [
  ...['create-account', 'deposit-money', 'create-order', 'charge-account', 'cancel-order', 'refund-charge'],
  ...['settle-order', 'send-notification', 'park-event'],
];
// separate module instances, which share no memory
const processes = ['first', 'second'];

const functions = new Map<string, Handle[]>();

/** Loads each function twice, as two processes of it. */
export async function loadFunctions(): Promise<void> {
  for (const name of names) {
    const loaded = processes.map(
      async (process) => ((await import(`#functions/${name}/index.ts?${process}`)) as { handle: Handle }).handle,
    );
    functions.set(name, await Promise.all(loaded));
  }
}

/** Delivers an event to one of a function's processes. */
export async function deliverTo(name: string, event: CloudEventV1<unknown>, chance: Chance): Promise<Receipt> {
  return deliver(chance.oneOf(functions.get(name) ?? []), event);
}

/** Sends a request to one of a function's processes. */
export const callFunction = (request: Request, chance: Chance): Promise<Answer> =>
  send(chance.oneOf(functions.get(request.to) ?? []), request);
