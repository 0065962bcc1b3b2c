import { setTimeout as delay } from 'node:timers/promises';
import type { CloudEventV1 } from 'cloudevents';
import { deadLetter, isDelivered, isRetried, waitMs, type Answer, type Deliver } from '#local/broker/delivery.ts';
import { createFate, type Faults } from '#local/broker/faults.ts';
import { indexByType } from '#local/broker/filters.ts';
import type { Delivery, Manifests, Trigger } from '#local/broker/manifests.ts';

export type { Answer, Deliver } from '#local/broker/delivery.ts';

/** 202 = taken (delivered, parked, or wanted by nobody); 400 = no event, or it has gone around too often; 500 = given up. */
export type IngestStatus = 202 | 400 | 500;

export interface Broker {
  /** `/<namespace>/<name>`: where it listens over HTTP. */
  readonly path: string;
  /**
   * Takes an event in. As with Knative's in-memory channel the answer comes after all subscribers, retries and replies.
   * `ttl` is how many more times an event and its replies may enter.
   */
  ingest(event: CloudEventV1<unknown>, ttl?: number): Promise<{ status: IngestStatus }>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  /** Takes nothing more and tries nothing again; resolves when the deliveries under way have their answers. */
  close(): Promise<void>;
}

interface Options {
  manifests: Manifests;
  deliver: Deliver;
  /** What shall go wrong, in tests. */
  faults?: Partial<Faults> | undefined;
  /** Told of each event that is lost for good: no dead letter sink, the sink failed too, or the broker was closed. */
  onDrop?: ((event: CloudEventV1<unknown>, reason: string) => void) | undefined;
  /** Told of each delivery that was given up. Ids only. */
  log?: ((message: string, cause?: unknown) => void) | undefined;
}

const FIRST_TTL = 255;
const NO_ANSWER: Answer = { status: -1 };
const REPLY_TIMED_OUT: Answer = { status: -1, body: 'dispatch error: the reply took too long' };

/**
 * A broker as Knative's multi-tenant one on the in-memory channel, in this process (KNATIVE.md, section 3).
 * Nothing is serialised: subscribers share the event object and must not change it.
 */
export function createBroker({ manifests, deliver, faults, onDrop, log }: Options): Broker {
  const { name, namespace } = manifests.broker;
  const path = `/${namespace}/${name}`;
  const wantedBy = indexByType(manifests.triggers);
  const fate = faults && createFate(faults);
  const closing = new AbortController();
  let underWay = 0;
  const waiting: (() => void)[] = [];

  async function ingest(event: CloudEventV1<unknown>, ttl = enteringTtl(event)): Promise<{ status: IngestStatus }> {
    if (!isEvent(event) || !(ttl > 0)) return { status: 400 };
    if (closing.signal.aborted) return { status: 500 };
    underWay += 1;
    try {
      const delivered = fate ? await suffer(event, ttl, fate()) : await dispatch(event, ttl);
      return { status: delivered ? 202 : 500 };
    } finally {
      underWay -= 1;
      if (underWay === 0) waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  async function suffer(event: CloudEventV1<unknown>, ttl: number, delays: readonly number[]): Promise<boolean> {
    const copies = delays.map(async (ms) => {
      if (ms > 0) await pause(ms);
      return closing.signal.aborted ? drop(event, 'the broker was closed') : dispatch(event, ttl);
    });
    return (await Promise.all(copies)).every(Boolean);
  }

  /** Whether every Trigger's subscriber, or its dead letter sink, has it now. */
  async function dispatch(given: CloudEventV1<unknown>, ttl: number): Promise<boolean> {
    const event = arriving(given);
    const triggers = wantedBy(event);
    const [only] = triggers;
    if (!only) return true;
    if (triggers.length === 1) return deliverTo(only, event, ttl);
    return (await Promise.all(triggers.map((trigger) => deliverTo(trigger, event, ttl)))).every(Boolean);
  }

  async function deliverTo(trigger: Trigger, event: CloudEventV1<unknown>, ttl: number): Promise<boolean> {
    const { subscriber, delivery } = trigger;
    const answer = await tries(delivery, () => send(subscriber, event, delivery.timeoutMs));
    if (!isDelivered(answer)) {
      return park(trigger, event, ttl, answer, `http://${subscriber}.${namespace}.svc.cluster.local`);
    }
    const reply = answer.event;
    if (!reply) return true;
    // The reply is posted like any event, and the post returns only after the rest of the chain: it has the same
    // retries and the same time. A failure far down can so park an event that has succeeded.
    const posted = await tries(delivery, () => within(delivery.timeoutMs, ingest(reply, ttl - 1)));
    if (isDelivered(posted)) return true;
    return park(trigger, event, ttl, posted, `http://broker-ingress.knative-eventing.svc.cluster.local${path}`);
  }

  async function park(
    { name: trigger, delivery }: Trigger,
    event: CloudEventV1<unknown>,
    ttl: number,
    failure: Answer,
    destination: string,
  ): Promise<boolean> {
    log?.(`${trigger}: gave up ${event.id}, ${destination} answered ${failure.status}`);
    const sink = delivery.deadLetterSink;
    if (closing.signal.aborted) return drop(event, `${trigger}: the broker was closed`);
    if (sink === undefined) return drop(event, `${trigger}: no dead letter sink`);
    const parked = deadLetter(event, destination, failure);
    const answer = await tries(delivery, () => send(sink, parked, delivery.timeoutMs));
    if (!isDelivered(answer)) return drop(event, `${trigger}: dead letter sink ${sink} answered ${answer.status}`);
    if (answer.event) await ingest(answer.event, ttl - 1);
    return true;
  }

  function drop(event: CloudEventV1<unknown>, reason: string): false {
    onDrop?.(event, reason);
    return false;
  }

  async function tries(delivery: Delivery, attempt: () => Promise<Answer>): Promise<Answer> {
    for (let retries = 0; ; retries += 1) {
      const answer = await attempt();
      if (isDelivered(answer) || retries >= delivery.retry || !isRetried(answer)) return answer;
      await pause(waitMs(delivery, retries, answer));
      if (closing.signal.aborted) return answer;
    }
  }

  async function send(subscriber: string, event: CloudEventV1<unknown>, timeoutMs: number): Promise<Answer> {
    try {
      const answer = await deliver(subscriber, event, { timeoutMs });
      if (!isDelivered(answer) || (answer.event ? isEvent(answer.event) : !answer.body)) return answer;
      // Neither empty nor an event is a failure: retried, and no code reaches the dead letter sink.
      log?.(`${subscriber}: answered ${event.id} with something that is no event`);
    } catch (cause) {
      log?.(`${subscriber}: could not be given ${event.id}`, cause);
    }
    return NO_ANSWER;
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: closing.signal }).catch(() => undefined);
  }

  async function idle(): Promise<void> {
    if (underWay > 0) await new Promise<void>((resolve) => waiting.push(resolve));
  }

  return {
    path,
    ingest,
    idle,
    close: () => {
      closing.abort();
      return idle();
    },
  };
}

function isEvent({ specversion, id, source, type }: CloudEventV1<unknown>): boolean {
  return (specversion === '1.0' || specversion === '0.3') && isText(id) && isText(source) && isText(type);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** An event that comes with a count, from another broker or a subscriber that posts, goes on counting down. */
function enteringTtl({ knativebrokerttl: carried }: CloudEventV1<unknown>): number {
  if (carried === undefined) return FIRST_TTL;
  const count = typeof carried === 'string' && carried !== '' ? Number(carried) : carried;
  return Number.isInteger(count) ? (count as number) - 1 : FIRST_TTL;
}

/** The one copy an event gets on its way: with its arrival time, without the count, which subscribers never see. */
function arriving(event: CloudEventV1<unknown>): CloudEventV1<unknown> {
  const knativearrivaltime = new Date().toISOString();
  if (event['knativebrokerttl'] === undefined) return { ...event, knativearrivaltime };
  const { knativebrokerttl: _, ...rest } = event;
  return { ...rest, knativearrivaltime };
}

function within(ms: number, work: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, REPLY_TIMED_OUT);
    const settled = (answer: Answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    work.then(settled, reject);
  });
}
