import { notifyBy } from '#functions/send-notification/index.ts';
import { createOutgoing, type Outgoing } from '#functions/send-notification/outgoing.ts';
import type { Database } from '#platform/database/database.ts';
import type { EventFunction, EventHandle } from '#platform/events/on-event.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';
import type { ProcessContext } from '#platform/runtime/context.ts';
import { newContext } from '#test/support/context.ts';

/** Functions of one process, which share no memory with those of another one. */
export interface SimulatedProcess {
  context: ProcessContext;
  functionOf(name: string): EventFunction | RequestFunction;
  outgoing: Outgoing;
}

/** Starts functions whose statements run on `database`, with a mail server that accepts every mail: `onMail` gets its id. */
export async function startProcess(
  names: readonly string[],
  database: Database,
  onMail: (notificationId: string) => void = () => undefined,
): Promise<SimulatedProcess> {
  const context = newContext({ database });
  const mailer = {
    send: async ({ messageId }: { messageId: string }) => {
      onMail(messageId);
      return { sent: true } as const;
    },
    close: () => undefined,
  };
  const outgoing = createOutgoing({ database, tasks: context.tasks, mailer });
  const functions = new Map<string, EventFunction | RequestFunction>();
  for (const name of names) {
    const { handle } =
      name === 'send-notification'
        ? { handle: notifyBy(() => outgoing) }
        : ((await import(`#functions/${name}/index.ts`)) as { handle: EventHandle | RequestHandle });
    functions.set(name, handle(context.of(name)));
  }
  return {
    context,
    outgoing,
    functionOf: (name) => {
      const found = functions.get(name);
      if (!found) throw new Error(`there is no function ${name}`);
      return found;
    },
  };
}
