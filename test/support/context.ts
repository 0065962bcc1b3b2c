import { createTokenSigner, type SignToken } from '#functions/log-in/sign-token.ts';
import type { CloudEventV1 } from 'cloudevents';
import { createBrokerClient, type BrokerClient } from '#platform/events/broker-client.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import type { CallFunction } from '#platform/http/function-client.ts';
import {
  createContext,
  type FunctionContext,
  type ProcessContext,
  type Replacements,
} from '#platform/runtime/context.ts';

// What the functions of a test file work with: made from the settings of environment.ts, when it is first used.

let broker: BrokerClient | undefined;
let callFunction: CallFunction | undefined;

/** Makes a context of its own, as another process has. Its broker and functions are those of `useBroker` and `useFunctions`. */
export const newContext = (replaced: Replacements = {}): ProcessContext =>
  createContext('shop', {
    broker: {
      send: (event, timeoutMs) => (broker ??= createBrokerClient()).send(event, timeoutMs),
      isReachable: () => (broker ??= createBrokerClient()).isReachable(),
    },
    callFunction: (name, request) => {
      if (!callFunction) throw new Error('useFunctions comes first');
      return callFunction(name, request);
    },
    ...replaced,
  });

/** The context of this test file. */
export const context = newContext();

/** Receives the published events in place of a broker. */
export function useBroker(send: (event: ShopEvent) => Promise<void>): void {
  broker = { send, isReachable: async () => true };
}

/** Chooses how the storefront calls functions. */
export function useFunctions(call: CallFunction): void {
  callFunction = call;
}

/** An event as its producer publishes it. */
export const signed = <Event extends CloudEventV1<unknown>>(event: Event) => context.signer.sign(event);

let signer: SignToken | undefined;

/** A token as log-in signs it. */
export const signToken: SignToken = (caller) => (signer ??= createTokenSigner(context.clock))(caller);

const functions = new WeakMap<object, unknown>();

/** Starts a function in the context of this test file, once; `name` is its folder, where it matters. */
export function started<Served>(handle: (its: FunctionContext) => Served, name = 'shop'): Served {
  if (!functions.has(handle)) functions.set(handle, handle(context.of(name)));
  return functions.get(handle) as Served;
}
