// func-yaml.ts NAME: prints the func.yaml that a function is deployed with: the defaults of functions/func.yaml, then
// what its kind needs, then functions/NAME/func.yaml, if it exists; later values take precedence.
// MIN_INSTANCES (environment) raises the number of instances that functions keep, of those that keep any.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { routes } from '#api/routes.ts';

/** The fields of a func.yaml that func (specVersion 0.36) reads. */
export interface FuncYaml {
  name: string;
  invoke: 'http' | 'cloudevent';
  run: { envs: { name: string; value: string }[] };
  deploy: {
    labels: { key: string; value: string }[];
    healthEndpoints: { liveness: string; readiness: string };
    options: {
      scale: { min: number; max: number; metric: string; target: number; utilization?: number };
      resources: {
        requests: { cpu: string; memory: string };
        limits: { cpu: string; memory: string; concurrency: number };
      };
    };
  };
}

const root = path.join(import.meta.dirname, '..');
const textOf = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** A function that a route of the API forwards to: verifies tokens, and publishes what it commits. */
const ofRequests: Yaml = {
  invoke: 'http',
  run: { envs: [{ name: 'TOKEN_PUBLIC_KEYS', value: '{{ configMap:token-public-keys:keys }}' }] },
  // broker/sink-binding.yaml injects the address of the Broker
  deploy: { labels: [{ key: 'shop/publishes', value: 'true' }] },
};
const ofEvents: Yaml = { invoke: 'cloudevent' };

/** The func.yaml that a function is deployed with. */
export function funcYamlOf(name: string): FuncYaml {
  if (!/^[a-z-]+$/.test(name) || !existsSync(path.join(root, 'functions', name, 'index.ts'))) {
    throw new Error(`There is no function "${name}".`);
  }
  const isCalled = routes.some((route) => route.function === name);
  const own = `functions/${name}/func.yaml`;
  const layers = [
    parse(textOf('functions/func.yaml').replaceAll('{name}', name)) as Yaml,
    isCalled ? ofRequests : ofEvents,
    ...(existsSync(path.join(root, own)) ? [parse(textOf(own)) as Yaml] : []),
  ];
  const its = layers.reduce(merged) as unknown as FuncYaml;
  const { scale } = its.deploy.options;
  if (scale.min > 0) scale.min = Math.max(scale.min, Number(process.env['MIN_INSTANCES'] || 1));
  if (!(scale.min <= scale.max)) throw new Error(`MIN_INSTANCES has to be a number from 1 to ${scale.max}.`);
  return its;
}

type Yaml = { [name: string]: unknown };
const isMap = (value: unknown): value is Yaml => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Merges maps, and lists by the name of their items; null removes a value. */
function merged(base: Yaml, over: Yaml): Yaml {
  const entries = Object.entries(over).map(([name, value]) => {
    const below = base[name];
    if (isMap(below) && isMap(value)) return [name, merged(below, value)];
    return [name, Array.isArray(below) && Array.isArray(value) ? mergedLists(below, value) : value];
  });
  const all = { ...base, ...(Object.fromEntries(entries) as Yaml) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

interface Item {
  name?: string;
  key?: string;
  value: string | null;
}

function mergedLists(base: Item[], over: Item[]): Item[] {
  const items = new Map([...base, ...over].map((item) => [item.name ?? item.key, item]));
  return [...items.values()].filter(({ value }) => value !== null);
}

if (import.meta.main) process.stdout.write(stringify(funcYamlOf(process.argv[2] ?? ''), { lineWidth: 0 }));
