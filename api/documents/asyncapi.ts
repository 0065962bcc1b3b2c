import { readTopology } from '#events/topology/topology.ts';
import { beginChain, type EventContract } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { jsonSchema, version } from './json-schema.ts';

type Json = Record<string, unknown>;

/** The events as AsyncAPI 3: the contracts, with their senders and receivers. */
export async function asyncApi(): Promise<Json> {
  const { hops } = await readTopology();
  const events = hops.map((hop) => ({ ...hop, name: hop.event.replaceAll(/[._ ]/g, '-') }));
  const sends = events.map(({ producer, name }) => [producer, name] as const);
  const receives = events.flatMap(({ subscribers, name }) => subscribers.map((by) => [by, name] as const));
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
      'ce-id': text('`<object id>.<what happened>`: the same for every delivery.'),
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
