import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { compileFilter } from '#local/broker/filters.ts';
import { readManifests, type Trigger } from '#local/broker/manifests.ts';
import { functionNames } from '#local/functions.ts';
import { beginChain, type EventContract } from '#platform/events/event.ts';
import type { EventHandle } from '#platform/events/on-event.ts';

// One name everywhere: folder = Knative service = Trigger = test.
const files = (folder: string, ending: string) => readdirSync(folder).filter((file) => file.endsWith(ending));
const { triggers } = readManifests('broker');
const contracts = await Promise.all(
  files('events', '.ts').map(async (file) => {
    const exported = Object.values((await import(`#events/${file}`)) as object) as EventContract[];
    return { file, contract: exported[0] as EventContract };
  }),
);
const rooms = new Map(
  await Promise.all(
    functionNames.map(async (name) => {
      const room = (await import(`#functions/${name}/index.ts`)) as { handle?: EventHandle };
      return [name, room.handle] as const;
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

test.each(contracts)('$file has a producer that is a function and speaks of it', ({ file, contract }) => {
  expect(functionNames).toContain(contract.producer);
  const source = readFileSync(`functions/${contract.producer}/index.ts`, 'utf8');
  expect(source).toContain(`#events/${file}`);
});

/** The types of the events that a Trigger lets pass, by their samples. */
const heardBy = (trigger: Trigger) => {
  const matches = compileFilter(trigger);
  return contracts.flatMap(({ contract }) =>
    matches(beginChain(contract.create(contract.sample))) ? contract.type : [],
  );
};

test.each(triggers)(
  'Trigger $name is named after its file and its function, and brings all that it handles',
  (trigger) => {
    expect(trigger.name).toBe(trigger.subscriber);
    expect(files('broker', '.yaml')).toContain(`${trigger.subscriber}.yaml`);
    expect(heardBy(trigger).toSorted()).toEqual(rooms.get(trigger.subscriber)?.consumes.toSorted());
    expect(trigger.delivery).toMatchObject({ retry: 3, deadLetterSink: 'park-event' });
  },
);

test('every function that handles events has one Trigger', () => {
  const wanting = [...rooms].flatMap(([name, handle]) => ((handle?.consumes ?? []).length > 0 ? [name] : []));
  expect(triggers.map(({ subscriber }) => subscriber).toSorted()).toEqual(wanting.toSorted());
});

test('no Trigger asks for an event that there is not', () => {
  const known = new Set(contracts.map(({ contract }) => contract.type));
  const asked = files('broker', '.yaml').flatMap(
    (file) => readFileSync(`broker/${file}`, 'utf8').match(/shop\.[\w.]+\.v\d+/g) ?? [],
  );
  expect(asked.filter((type) => !known.has(type))).toEqual([]);
});

// promise: owasp-api9
test('every event is handled by somebody', () => {
  const handled = new Set([...rooms.values()].flatMap((handle) => handle?.consumes ?? []));
  expect(contracts.map(({ contract }) => contract.type).filter((type) => !handled.has(type))).toEqual([]);
});

test.each(functionNames)('%s has its room, its statements and its test', (name) => {
  const here = readdirSync(`functions/${name}`);
  expect(here).toEqual(expect.arrayContaining(['index.ts', `${name}.test.ts`]));
});
