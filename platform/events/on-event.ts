import type { IncomingHttpHeaders } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';
import { z } from 'zod';
import { databaseProblem } from '#platform/database/database.ts';
import type { FunctionContext } from '#platform/runtime/context.ts';
import {
  continueChain,
  type EventContract,
  type EventData,
  type DomainEvent,
  type ShopEvent,
} from '#platform/events/event.ts';
import { readAnyEvent, readEvent, writeEvent } from '#platform/events/event-http.ts';
import { Problem, problemResponse, toProblem } from '#platform/http/problem.ts';
import { observeEvent } from '#platform/telemetry/observe.ts';

/** A request as the function runtime hands it over. */
export interface Invocation {
  method: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** The response of a function; a body that is no string is sent as JSON. */
export interface FunctionResponse {
  statusCode: number;
  headers: Record<string, string>;
  body?: unknown;
}

/** The result of a delivery. A broker gives up after 400 and retries after 503. */
export type Delivery = { status: 200; event: ShopEvent } | { status: 204 } | { status: 400 | 503; body: string };

/** A function that consumes events, with its context. */
export interface EventFunction {
  (invocation: Invocation): Promise<FunctionResponse>;
  /** The same without HTTP, for the whole shop in one process. */
  deliver(event: CloudEventV1<unknown>): Promise<Delivery>;
  /** The types that it handles; others are ignored. */
  readonly consumes: readonly string[];
}

/** What the folder of an event function exports as `handle`: makes the function from its context. */
export type EventHandle = (context: FunctionContext) => EventFunction;

/** Handles one event; returns the event that follows from it, or nothing. */
export type Step<Data> = (data: Data, event: ShopEvent) => Promise<DomainEvent | void>;

interface Case {
  contract: EventContract;
  step: Step<EventData>;
}

/** One case of `onEvents`. */
export function when<Data extends EventData>(contract: EventContract<Data>, step: Step<Data>): Case {
  return { contract, step } as unknown as Case;
}

/** A function that consumes one kind of event. `prepare` makes its step, once per process. */
export function onEvent<Data extends EventData>(
  contract: EventContract<Data>,
  prepare: (context: FunctionContext) => Step<Data>,
): EventHandle {
  return onEvents((context) => [when(contract, prepare(context))]);
}

/**
 * A function that consumes several kinds of events. Only events that the shop signed reach a step, with data that their
 * schema accepted; other types are ignored. A refusal (`bad_event`) is parked; after any other failure the broker retries.
 */
export function onEvents(prepare: (context: FunctionContext) => Case[]): EventHandle {
  return (context) => {
    const { signer, clock } = context;
    const byType = new Map(prepare(context).map((one) => [one.contract.type, one]));
    return eventFunction(context, [...byType.keys()], readEvent, async (event, traceparent) => {
      if (!signer.isVerified(event)) throw new Problem('unverified_event', 'The signature is missing or wrong.');
      const found = byType.get(event.type);
      if (!found) return;
      const data = found.contract.data.safeParse(event.data);
      if (!data.success) throw new Problem('bad_event', `${event.type}: ${z.prettifyError(data.error)}`);
      const cause = (traceparent === event['traceparent'] ? event : { ...event, traceparent }) as ShopEvent;
      const next = await found.step(data.data, cause);
      return next && signer.sign(continueChain(next, cause, clock.now()));
    });
  };
}

/** A function that consumes any event as it is, verified or not: the dead letter sink and the ping. */
export function onAnyEvent(
  prepare: (context: FunctionContext) => (event: CloudEventV1<unknown>) => Promise<void>,
): EventHandle {
  return (context) => {
    const step = prepare(context);
    return eventFunction(context, [], readAnyEvent, async (event) => {
      await step(event);
    });
  };
}

// What a broker stores of a response in a dead letter; Knative's in-memory one crashes on a longer one.
const maxBodyBytes = 768;

/** A problem as the body of a response to a broker; a long detail is cut. */
function boundedBody(problem: Problem, refusal: { by?: string; refusal?: string } = {}): string {
  const { body } = problemResponse(problem);
  for (let { detail } = body; ;) {
    const text = JSON.stringify({ ...refusal, ...body, detail });
    const surplus = Buffer.byteLength(text) - maxBodyBytes;
    if (surplus <= 0 || detail === '') return text;
    // a character takes six bytes at most
    detail = detail.slice(0, Math.max(0, detail.length - Math.ceil(surplus / 6)));
  }
}

function eventFunction(
  { name, signer }: FunctionContext,
  consumes: string[],
  read: typeof readEvent,
  step: (event: CloudEventV1<unknown>, traceparent: string | undefined) => Promise<ShopEvent | void>,
): EventFunction {
  /**
   * The refusal of a verified event, signed. That of an unverified one is not: a function that lacks a new key must not end
   * the chain of a valid event.
   */
  const signedRefusal = (event: CloudEventV1<unknown>, { status, code }: Problem) =>
    status !== 400 || code === 'unverified_event'
      ? {}
      : { by: name, refusal: signer.signRefusal(event, { by: name, code }) };

  const deliver = async (event: CloudEventV1<unknown>, hop?: unknown): Promise<Delivery> => {
    const isKnown = consumes.includes(event.type);
    const { traceparent, ended } = observeEvent(event, { by: name, isKnown, hop });
    try {
      const next = await step(event, traceparent);
      ended(next ? 'replied' : isKnown || consumes.length === 0 ? 'done' : 'ignored');
      return next ? { status: 200, event: next } : { status: 204 };
    } catch (error) {
      const problem = toProblem(databaseProblem(error));
      const status = problem.status === 400 ? 400 : 503;
      ended(status === 400 ? 'refused' : 'unavailable', problem.cause ?? problem);
      return { status, body: boundedBody(problem, signedRefusal(event, problem)) };
    }
  };
  const respond = async ({ headers, body }: Invocation): Promise<FunctionResponse> => {
    let event;
    try {
      event = read(headers, body);
    } catch (error) {
      const problem = toProblem(error);
      return { ...problemResponse(problem), body: boundedBody(problem) };
    }
    const delivery = await deliver(event, headers['traceparent']);
    if (delivery.status === 200) return { statusCode: 200, ...writeEvent(delivery.event) };
    if (delivery.status === 204) return { statusCode: 204, headers: {} };
    return {
      statusCode: delivery.status,
      headers: { 'content-type': 'application/problem+json' },
      body: delivery.body,
    };
  };
  return Object.assign(respond, { deliver: (event: CloudEventV1<unknown>) => deliver(event), consumes });
}
