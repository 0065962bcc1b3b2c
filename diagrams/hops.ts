import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileFilter } from '#local/broker/filters.ts';
import type { Trigger } from '#local/broker/manifests.ts';
import { beginChain, type EventContract } from '#platform/events/event.ts';

/** An event type with its producer and the functions that the Triggers deliver it to. */
export interface Hop {
  /** `order.placed`; later versions include their number: `order.placed v2`. */
  event: string;
  producer: string;
  subscribers: string[];
}

/** All contracts that the modules of a folder export. */
export async function readContracts(folder: URL): Promise<EventContract[]> {
  const files = readdirSync(fileURLToPath(folder)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const modules = await Promise.all(
    files.toSorted().map((name) => import(new URL(name, folder).href) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) => Object.values(module)).filter(isContract);
}

/** Combines the contracts with the Triggers. A Trigger receives an event type if its filter matches the sample. */
export function hopsOf(contracts: EventContract[], triggers: Trigger[]): Hop[] {
  const filters = triggers.map(({ subscriber, ...filter }) => ({ subscriber, matches: compileFilter(filter) }));
  return contracts.map((contract) => {
    const sample = beginChain(contract.create(contract.sample));
    const subscribers = filters.filter(({ matches }) => matches(sample)).map(({ subscriber }) => subscriber);
    return { event: nameOf(contract.type), producer: contract.producer, subscribers: [...new Set(subscribers)] };
  });
}

/** Producers that consume no event: the commands, which begin the chains. */
export function commandsOf(hops: Hop[]): string[] {
  const called = new Set(hops.flatMap(({ subscribers }) => subscribers));
  return [...new Set(hops.map(({ producer }) => producer))].filter((name) => !called.has(name));
}

function nameOf(type: string): string {
  const [, object, verb, version] = type.split('.');
  return `${object}.${verb}${version === 'v1' ? '' : ` ${version}`}`;
}

function isContract(value: unknown): value is EventContract {
  return typeof value === 'object' && value !== null && 'producer' in value && 'type' in value && 'create' in value;
}
