import type { IncomingHttpHeaders } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';
import { z } from 'zod';
import { databaseProblem } from '#platform/database/database.ts';
import {
  continueChain,
  type EventContract,
  type EventData,
  type DomainEvent,
  type ShopEvent,
} from '#platform/events/event.ts';
import { readAnyEvent, readEvent, writeEvent } from '#platform/events/event-http.ts';
import { thisFunction } from '#platform/telemetry/log.ts';
import { Problem, problemResponse, toProblem } from '#platform/http/problem.ts';
import { isVerified, signed, signRefusal } from '#platform/events/signature.ts';
import { watchEvent } from '#platform/telemetry/observe.ts';

/** What a room is called with: a request as the function runtime hands it over. */
export interface Context {
  method: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** What a room answers; a body that is no string is sent as JSON. */
export interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  body?: unknown;
}

/** How a delivery ended. A broker gives up on 400 and tries again on 503. */
export type Delivery = { status: 200; event: ShopEvent } | { status: 204 } | { status: 400 | 503; body: string };

/** A room that handles events. */
export interface EventHandle {
  /** `by` names the function where a process serves several. */
  (context: Context, by?: string): Promise<Answer>;
  /** The same without HTTP, for the whole shop in one process. */
  deliver(event: CloudEventV1<unknown>, by?: string): Promise<Delivery>;
  /** The types that it handles; others are ignored. */
  readonly consumes: readonly string[];
}

/** Handles one event: gives the fact that follows from it, or nothing. */
export type Step<Data> = (data: Data, event: ShopEvent) => Promise<DomainEvent | void>;

interface Case {
  contract: EventContract;
  step: Step<EventData>;
}

/** One case of `onEvents`. */
export function when<Data extends EventData>(contract: EventContract<Data>, step: Step<Data>): Case {
  return { contract, step } as unknown as Case;
}

/** A room that handles one kind of event. */
export function onEvent<Data extends EventData>(contract: EventContract<Data>, step: Step<Data>): EventHandle {
  return onEvents(when(contract, step));
}

/**
 * A room that handles several kinds of events. Only events that the shop signed reach a step, with data that
 * their schema accepted; another type is ignored. A refusal (`bad_event`) is parked, any other trouble is
 * delivered again.
 */
export function onEvents(...cases: Case[]): EventHandle {
  const byType = new Map(cases.map((one) => [one.contract.type, one]));
  return eventHandle([...byType.keys()], readEvent, async (event, traceparent) => {
    if (!isVerified(event)) throw new Problem('unverified_event', 'The signature is missing or wrong.');
    const found = byType.get(event.type);
    if (!found) return;
    const data = found.contract.data.safeParse(event.data);
    if (!data.success) throw new Problem('bad_event', `${event.type}: ${z.prettifyError(data.error)}`);
    const cause = (traceparent === event['traceparent'] ? event : { ...event, traceparent }) as ShopEvent;
    const fact = await found.step(data.data, cause);
    return fact && signed(continueChain(fact, cause));
  });
}

/** A room that takes any event as it is, verified or not: the dead letter sink and the ping. */
export function onAnyEvent(step: (event: CloudEventV1<unknown>) => Promise<void>): EventHandle {
  return eventHandle([], readAnyEvent, async (event) => {
    await step(event);
  });
}

// What a broker keeps of a response in a dead letter; Knative's in-memory one ends on a longer one.
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

/**
 * The refusal of a verified event, signed. That of an unverified one is not: a function that lacks a new key must not end
 * the chain of a good event.
 */
function signedRefusal(event: CloudEventV1<unknown>, { status, code }: Problem, by = thisFunction) {
  if (status !== 400 || code === 'unverified_event') return {};
  return { by, refusal: signRefusal(event, { by, code }) };
}

function eventHandle(
  consumes: string[],
  read: typeof readEvent,
  step: (event: CloudEventV1<unknown>, traceparent: string | undefined) => Promise<ShopEvent | void>,
): EventHandle {
  const deliver = async (event: CloudEventV1<unknown>, by?: string, hop?: unknown): Promise<Delivery> => {
    const isKnown = consumes.includes(event.type);
    const { traceparent, ended } = watchEvent(event, { by, isKnown, hop });
    try {
      const next = await step(event, traceparent);
      ended(next ? 'answered' : isKnown || consumes.length === 0 ? 'done' : 'ignored');
      return next ? { status: 200, event: next } : { status: 204 };
    } catch (error) {
      const problem = toProblem(databaseProblem(error));
      const status = problem.status === 400 ? 400 : 503;
      ended(status === 400 ? 'refused' : 'unavailable', problem.cause ?? problem);
      return { status, body: boundedBody(problem, signedRefusal(event, problem, by)) };
    }
  };
  const handle = async ({ headers, body }: Context, by?: string): Promise<Answer> => {
    let event;
    try {
      event = read(headers, body);
    } catch (error) {
      const problem = toProblem(error);
      return { ...problemResponse(problem), body: boundedBody(problem) };
    }
    const delivery = await deliver(event, by, headers['traceparent']);
    if (delivery.status === 200) return { statusCode: 200, ...writeEvent(delivery.event) };
    if (delivery.status === 204) return { statusCode: 204, headers: {} };
    return {
      statusCode: delivery.status,
      headers: { 'content-type': 'application/problem+json' },
      body: delivery.body,
    };
  };
  return Object.assign(handle, { deliver, consumes });
}
