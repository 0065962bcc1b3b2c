import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import type { SubscriberResponse, Deliver } from '#local/broker/delivery.ts';
import type { Delivery, Manifests, Trigger } from '#events/topology/manifests.ts';

// Fixtures of the broker's tests.

export type Event = CloudEventV1<unknown>;
export type Subscribers = Record<string, (event: Event) => SubscriberResponse | Promise<SubscriberResponse>>;

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

export function event(type: string, more: Partial<Event> = {}): Event {
  return { specversion: '1.0', id: `1.${type}`, source: '/test', type, ...more };
}

/** A Trigger for one event type, without a backoff. */
export function trigger(type: string, subscriber: string, delivery: Partial<Delivery> = {}): Trigger {
  return {
    name: `${type}.${subscriber}`,
    filter: type === '*' ? {} : { type },
    subscriber,
    delivery: { retry: 0, backoffPolicy: 'exponential', backoffDelayMs: 0, timeoutMs: 10_000, ...delivery },
  };
}

export function manifestsOf(...triggers: Trigger[]): Manifests {
  const { delivery } = trigger('*', 'unused');
  return { broker: { name: 'default', namespace: 'shop', delivery }, triggers };
}

/** Calls subscribers in this process and records which events each received, in order. */
export function inProcess(subscribers: Subscribers): { deliver: Deliver; received: (subscriber: string) => Event[] } {
  const all: { subscriber: string; delivered: Event }[] = [];
  return {
    deliver: async (subscriber, delivered) => {
      all.push({ subscriber, delivered });
      return (await subscribers[subscriber]?.(delivered)) ?? { status: 204 };
    },
    received: (name) => all.filter(({ subscriber }) => subscriber === name).map(({ delivered }) => delivered),
  };
}

/** Writes each document to a file of a new folder, which is removed after the tests. */
export function folderOf(...documents: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  folders.push(folder);
  documents.forEach((text, index) => writeFileSync(join(folder, `${index}.yaml`), text));
  return folder;
}
