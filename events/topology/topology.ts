import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beginChain, type EventContract } from '#platform/events/event.ts';
import { compileFilter } from './filters.ts';
import { readManifests, type Manifests, type Trigger } from './manifests.ts';

/** An event type with its producer and the functions that the Triggers deliver it to. */
export interface Hop {
  /** `order.placed`; later versions include their number: `order.placed v2`. */
  event: string;
  producer: string;
  subscribers: string[];
}

interface ContractHop extends Hop {
  contract: EventContract;
}

/** Which functions produce and consume which events: the contracts in `events/` with the Broker and Triggers in `broker/`. */
export interface Topology extends Manifests {
  contracts: EventContract[];
  hops: ContractHop[];
}

const folder = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Reads the topology of the shop. Throws what the files contradict. */
export async function readTopology(): Promise<Topology> {
  const contracts = await readContracts();
  const manifests = readManifests(folder('broker'));
  return { ...manifests, contracts, hops: hopsOf(contracts, manifests.triggers) };
}

/** All contracts that the modules of `events/` export, in the order of their files. */
async function readContracts(): Promise<EventContract[]> {
  const files = globSync('*.ts', { cwd: folder('events'), exclude: (name) => name.endsWith('.test.ts') });
  const modules = await Promise.all(
    files.toSorted().map((name) => import(`#events/${name}`) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) => Object.values(module)).filter(isContract);
}

/** Combines the contracts with the Triggers. A Trigger receives an event type if its filter matches the sample. */
export function hopsOf(contracts: EventContract[], triggers: Trigger[]): ContractHop[] {
  const filters = triggers.map(({ subscriber, ...filter }) => ({ subscriber, matches: compileFilter(filter) }));
  return contracts.map((contract) => {
    const sample = beginChain(contract.create(contract.sample));
    const subscribers = filters.filter(({ matches }) => matches(sample)).map(({ subscriber }) => subscriber);
    const { producer } = contract;
    return { contract, event: nameOf(contract.type), producer, subscribers: [...new Set(subscribers)] };
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
