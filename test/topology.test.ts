import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { compileFilter } from '#events/topology/filters.ts';
import { readManifests, type Trigger } from '#events/topology/manifests.ts';
import { functionNames } from '#local/functions.ts';
import { beginChain, type EventContract } from '#platform/events/event.ts';
import type { EventHandle } from '#platform/events/on-event.ts';
import { context } from '#test/support/context.ts';

// One name everywhere: folder = Knative service = Trigger = test.

const files = (folder: string, ending: string) => readdirSync(folder).filter((file) => file.endsWith(ending));
const { triggers } = readManifests('broker');
const contracts = await Promise.all(
  files('events', '.ts').map(async (file) => {
    const exported = Object.values((await import(`#events/${file}`)) as object) as EventContract[];
    return { file, contract: exported[0] as EventContract };
  }),
);
const handles = new Map(
  await Promise.all(
    functionNames.map(async (name) => {
      const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle?: EventHandle };
      return [name, handle?.(context.of(name))] as const;
    }),
  ),
);

test.each(contracts)(
  '$file holds one event, named after it, with a sample that its schema accepts',
  ({ file, contract }) => {
    const [, object, happened] = contract.type.split('.');
    expect(file).toBe(`${object}-${happened?.replaceAll('_', '-')}.ts`);
    expect(contract.data.parse(contract.sample)).toEqual(contract.sample);
  },
);

test.each(contracts)('$file has a producer that is a function and imports it', ({ file, contract }) => {
  expect(functionNames).toContain(contract.producer);
  const source = readFileSync(`functions/${contract.producer}/index.ts`, 'utf8');
  expect(source).toContain(`#events/${file}`);
});

/** The types of the events whose samples pass the filter of a Trigger. */
const consumedBy = (trigger: Trigger) => {
  const matches = compileFilter(trigger);
  return contracts.flatMap(({ contract }) =>
    matches(beginChain(contract.create(contract.sample))) ? contract.type : [],
  );
};

test.each(triggers)(
  'Trigger $name is named after its file and its function, and delivers every event that it handles',
  (trigger) => {
    expect(trigger.name).toBe(trigger.subscriber);
    expect(files('broker', '.yaml')).toContain(`${trigger.subscriber}.yaml`);
    expect(consumedBy(trigger).toSorted()).toEqual(handles.get(trigger.subscriber)?.consumes.toSorted());
    expect(trigger.delivery).toMatchObject({ retry: 3, deadLetterSink: 'park-event' });
  },
);

test('every function that handles events has one Trigger', () => {
  const consumers = [...handles].flatMap(([name, handle]) => ((handle?.consumes ?? []).length > 0 ? [name] : []));
  expect(triggers.map(({ subscriber }) => subscriber).toSorted()).toEqual(consumers.toSorted());
});

test('no Trigger filters for an unknown event', () => {
  const known = new Set(contracts.map(({ contract }) => contract.type));
  const filtered = files('broker', '.yaml').flatMap(
    (file) => readFileSync(`broker/${file}`, 'utf8').match(/shop\.[\w.]+\.v\d+/g) ?? [],
  );
  expect(filtered.filter((type) => !known.has(type))).toEqual([]);
});

// promise: owasp-api9
test('every event is handled by a function', () => {
  const handled = new Set([...handles.values()].flatMap((handle) => handle?.consumes ?? []));
  expect(contracts.map(({ contract }) => contract.type).filter((type) => !handled.has(type))).toEqual([]);
});

test.each(functionNames)('%s has a module and a test of its name', (name) => {
  expect(readdirSync(`functions/${name}`)).toEqual(expect.arrayContaining(['index.ts', `${name}.test.ts`]));
});
