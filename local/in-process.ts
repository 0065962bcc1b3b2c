import type { Broker, Deliver } from '#local/broker/broker.ts';
import { functionNames } from '#local/functions.ts';
import type { EventFunction, EventHandle } from '#platform/events/on-event.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';
import type { ProcessContext, Replacements } from '#platform/runtime/context.ts';

/** Functions of one process, by name. */
export type Functions = ReadonlyMap<string, EventFunction | RequestFunction>;

/** Starts every function but the storefront; `replaced` are handles for some of them. */
export async function startFunctions(
  context: ProcessContext,
  replaced: Record<string, EventHandle> = {},
): Promise<Functions> {
  const names = functionNames.filter((name) => name !== 'storefront');
  const started = names.map(async (name) => {
    const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle: EventHandle | RequestHandle };
    return [name, (replaced[name] ?? handle)(context.of(name))] as const;
  });
  return new Map(await Promise.all(started));
}

/** How a function gets an event from a broker in its process. */
export async function deliverTo(
  functions: Functions | undefined,
  subscriber: string,
  event: Parameters<Deliver>[1],
): ReturnType<Deliver> {
  const found = functions?.get(subscriber);
  return found && 'deliver' in found ? found.deliver(event) : { status: 404 };
}

/** Function calls in place of HTTP, for a context; `functions` is called when they have started. */
export const withinProcess = (broker: Broker, functions: () => Functions | undefined): Replacements => ({
  broker: {
    send: async (event) => {
      const { status } = await broker.ingest(event);
      if (status !== 202) throw new Error(`the broker responded with ${status}`);
    },
    isReachable: async () => true,
  },
  callFunction: async (name, { headers, body }) => {
    const found = functions()?.get(name);
    if (!found) throw new Error(`there is no function ${name}`);
    return found({ method: 'POST', headers, body });
  },
});
