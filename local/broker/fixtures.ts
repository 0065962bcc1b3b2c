import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import type { SubscriberResponse, Deliver } from '#local/broker/delivery.ts';
import type { Delivery, Manifests, Trigger } from '#local/broker/manifests.ts';

// What the tests of the broker start from.

export type Event = CloudEventV1<unknown>;
export type Subscribers = Record<string, (event: Event) => SubscriberResponse | Promise<SubscriberResponse>>;

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

export function event(type: string, more: Partial<Event> = {}): Event {
  return { specversion: '1.0', id: `1.${type}`, source: '/test', type, ...more };
}

/** A Trigger for one type of event, without a wait between tries. */
export function trigger(type: string, subscriber: string, delivery: Partial<Delivery> = {}): Trigger {
  return {
    name: `${type}.${subscriber}`,
    filter: type === '*' ? {} : { type },
    subscriber,
    delivery: { retry: 0, backoffPolicy: 'exponential', backoffDelayMs: 0, timeoutMs: 10_000, ...delivery },
  };
}

export function manifestsOf(...triggers: Trigger[]): Manifests {
  const { delivery } = trigger('*', 'nobody');
  return { broker: { name: 'default', namespace: 'shop', delivery }, triggers };
}

/** Calls subscribers in this process and records what each was given, in order. */
export function inProcess(subscribers: Subscribers): { deliver: Deliver; given: (subscriber: string) => Event[] } {
  const all: { subscriber: string; received: Event }[] = [];
  return {
    deliver: async (subscriber, received) => {
      all.push({ subscriber, received });
      return (await subscribers[subscriber]?.(received)) ?? { status: 204 };
    },
    given: (name) => all.filter(({ subscriber }) => subscriber === name).map(({ received }) => received),
  };
}

/** A folder of manifests, until the file's tests are done; each document is one file. */
export function folderOf(...documents: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  folders.push(folder);
  documents.forEach((text, index) => writeFileSync(join(folder, `${index}.yaml`), text));
  return folder;
}
