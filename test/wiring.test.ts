import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { readManifests } from '#local/broker/manifests.ts';
import { functionNames } from '#local/functions.ts';
import type { EventContract } from '#platform/event.ts';
import type { EventHandle } from '#platform/on-event.ts';

// One name everywhere: folder = Knative service = suffix of the Trigger = test.
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

test.each(triggers)('Trigger $name is named after its file, an event and a function that handles it', (trigger) => {
  const contract = contracts.find(({ contract: { type } }) => type === trigger.filter?.['type']);
  expect(contract).toBeDefined();
  const event = contract?.file.replace('.ts', '') ?? '';
  expect(trigger.name).toBe(`${event}-${trigger.subscriber}`);
  expect(files('broker', '.yaml')).toContain(`${event}.${trigger.subscriber}.yaml`);
  expect(rooms.get(trigger.subscriber)?.consumes).toContain(contract?.contract.type);
  expect(trigger.delivery).toMatchObject({ retry: 3, deadLetterSink: 'park-event' });
});

test('every event that a function handles is brought to it by exactly one Trigger', () => {
  const wanted = [...rooms].flatMap(([name, handle]) => (handle?.consumes ?? []).map((type) => `${type} ${name}`));
  const wired = triggers.map(({ filter, subscriber }) => `${filter?.['type']} ${subscriber}`);
  expect(wired.toSorted()).toEqual(wanted.toSorted());
});

test('every event is handled by somebody', () => {
  const handled = new Set([...rooms.values()].flatMap((handle) => handle?.consumes ?? []));
  expect(contracts.map(({ contract }) => contract.type).filter((type) => !handled.has(type))).toEqual([]);
});

test.each(functionNames)('%s has its room, its statements and its test', (name) => {
  const here = readdirSync(`functions/${name}`);
  expect(here).toEqual(expect.arrayContaining(['index.ts', `${name}.test.ts`]));
});
