import { readFileSync, readdirSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { beginChain, type EventContract } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { jsonSchema, version } from './json-schema.ts';

type Json = Record<string, unknown>;

const root = new URL('../../', import.meta.url);
const filesIn = (folder: string) => readdirSync(new URL(folder, root)).toSorted();

/** What a Trigger says of who hears what. */
const trigger = z.object({
  kind: z.literal('Trigger'),
  spec: z.object({
    filters: z.tuple([z.object({ any: z.array(z.object({ exact: z.object({ type: z.string() }) })) })]),
    subscriber: z.object({ ref: z.object({ name: z.string() }) }),
  }),
});

/** The events as AsyncAPI 3: the contracts of `events/`, and from the Triggers of `broker/` who receives them. */
export async function asyncApi(): Promise<Json> {
  const events = await Promise.all(
    filesIn('events').map(async (file) => {
      const exported = (await import(`#events/${file}`)) as Record<string, EventContract>;
      return { name: file.replace('.ts', ''), contract: Object.values(exported)[0] as EventContract };
    }),
  );
  const nameOf = new Map(events.map(({ name, contract }) => [contract.type, name]));
  const receives = filesIn('broker').flatMap((file) => {
    const { data } = trigger.safeParse(parse(readFileSync(new URL(`broker/${file}`, root), 'utf8')));
    const types = data?.spec.filters[0].any.map(({ exact }) => exact.type) ?? [];
    return types.map((type) => [data?.spec.subscriber.ref.name ?? '', nameOf.get(type) ?? ''] as const);
  });
  const sends = events.map(({ name, contract }) => [contract.producer, name] as const);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'The events of the shop',
      version,
      license: { name: 'MIT' },
      description:
        'CloudEvents 1.0 in binary mode. A repeated delivery repeats source and id. ' +
        'Events carry ids and amounts, never personal data. Fields may be added; another meaning is another version.',
    },
    defaultContentType: 'application/json',
    channels: {
      broker: {
        address: '/shop/default',
        description: 'The Broker; Triggers bring each event to the functions that receive it.',
        messages: Object.fromEntries(events.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }])),
      },
    },
    operations: Object.fromEntries([
      ...sends.map(([by, event]) => [`${by}.sends.${event}`, operation('send', event, `${by} sends it.`)]),
      ...receives.map(([by, event]) => [`${by}.receives.${event}`, operation('receive', event, `${by} receives it.`)]),
    ]),
    components: { messages: Object.fromEntries(events.map(({ name, contract }) => [name, message(contract)])) },
  };
}

const operation = (action: 'send' | 'receive', event: string, summary: string): Json => ({
  action,
  channel: { $ref: '#/channels/broker' },
  summary,
  messages: [{ $ref: `#/channels/broker/messages/${event}` }],
  bindings: { http: { method: 'POST' } },
});

function message(contract: EventContract): Json {
  const { type, source, summary, data, sample } = contract;
  const event = beginChain(contract.create(sample, new Date('2026-01-01T00:00:00Z')));
  const { headers } = writeEvent({ ...event, traceparent, signature });
  const { $schema: _schema, ...payload } = jsonSchema(data);
  return {
    name: type,
    title: type,
    summary,
    contentType: 'application/json',
    headers: headersSchema(type, source),
    payload,
    examples: [{ name: 'sample', headers, payload: sample }],
  };
}

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const signature = 'key-id.HMAC-SHA256-in-base64url';

/** The attributes of an event as HTTP headers (CloudEvents HTTP binding 1.0, section 3.1). */
function headersSchema(type: string, source: string): Json {
  const text = (description: string) => ({ type: 'string', description });
  return {
    type: 'object',
    properties: {
      'ce-specversion': { type: 'string', const: '1.0' },
      'ce-type': { type: 'string', const: type },
      'ce-source': { type: 'string', const: source },
      'ce-id': text('`<object id>.<what happened>`: one fact, one id.'),
      'ce-subject': text('The id of the object.'),
      'ce-time': { type: 'string', format: 'date-time', description: 'When it happened.' },
      'ce-correlationid': text('The id of the event that began the chain.'),
      'ce-causationid': text('The id of the event that led to this one.'),
      'ce-partitionkey': text('The id of the customer: their events stay together.'),
      'ce-traceparent': text('W3C trace context, if the caller sent one.'),
      'ce-signature': text('HMAC-SHA256 by a key of the shop; an event without it is parked.'),
    },
    required: ['specversion', 'type', 'source', 'id', 'subject', 'time', ...extensions].map((name) => `ce-${name}`),
  };
}

const extensions = ['correlationid', 'causationid', 'partitionkey', 'signature'];
