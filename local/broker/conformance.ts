// The behavior of Knative's default broker (Eventing 1.23, MTChannelBasedBroker on the in-memory channel), as data.
// conformance.test.ts checks the local broker against it, test/cluster/broker-conformance.ts a cluster with Knative.
//
// Deliberate differences without a case: a Trigger with a CESQL filter is refused when it is read (there is no CESQL
// library for Node); `retryAfterMax` is read without the feature flag that a cluster requires (delivery-retryafter); a
// body of more than 16 MiB is refused with 413; a 400 has the reason in its body; unknown fields of a manifest are
// refused.
//
// In strings `{id}` is the id of the case's event, `{broker}` the path of its broker, `{ingress}` the broker's address
// on a cluster, and `{first}` the address of the subscriber `first`.

/** `spec.delivery` of a Broker or a Trigger, with the name of the dead letter sink. */
export interface DeliverySpec {
  retry?: number;
  backoffPolicy?: 'linear' | 'exponential';
  backoffDelay?: string;
  timeout?: string;
  format?: 'json' | 'binary';
  deadLetterSink?: string;
}

export interface TriggerSpec {
  filter?: { attributes: Record<string, string> };
  filters?: unknown[];
  delivery?: DeliverySpec;
}

/** A request to the ingress; by default a POST to the broker. */
export interface Post {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
  /** The producer disconnects once the event has reached a subscriber. */
  disconnects?: boolean;
}

/** A response of a subscriber; by default 204. */
export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  afterMs?: number;
  /** Closes the connection instead. */
  reset?: boolean;
}

/** What a subscriber receives: header values (null = absent) and the body. */
export interface Received {
  headers?: Record<string, string | RegExp | null>;
  body?: string | RegExp;
}

export interface Expected {
  /** The response to the producer; none if it disconnects. */
  status?: number;
  /** By subscriber: how often it receives the event, or what it receives each time. All others receive nothing. */
  deliveries?: Record<string, number | Received[]>;
  /** The minimum wait before each further delivery to `first`. */
  waitsMs?: number[];
  /** The maximum time until the response. */
  withinMs?: number;
}

export interface Case extends Expected {
  name: string;
  post: Post;
  /** By subscriber: its response, or several in turn, of which the last is repeated. */
  replies?: Record<string, Reply | Reply[]>;
  /** A deliberate difference of the local broker: its behavior, and the reason. */
  local?: Expected & { because: string };
  /** Crashes the dispatcher of a real cluster, and loses all deliveries in flight there. */
  crashesDispatcher?: boolean;
}

/** A Broker with its Triggers, by subscriber. */
export interface Scenario {
  name: string;
  broker?: DeliverySpec;
  triggers: Record<string, TriggerSpec>;
  cases: Case[];
}

const attributes = {
  'ce-specversion': '1.0',
  'ce-id': '{id}',
  'ce-source': '/test',
  'ce-type': 'a',
  'content-type': 'application/json',
};

function without(headers: Record<string, string>, ...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

function binary(more: Record<string, string> = {}, body = '{"n":1}') {
  return { headers: { ...attributes, ...more }, body };
}

function structured(more: object = {}, contentType = 'application/cloudevents+json') {
  const event = { specversion: '1.0', id: '{id}', source: '/test', type: 'a', ...more };
  return { headers: { 'content-type': contentType }, body: JSON.stringify(event) };
}

const replying = (type: string, more = {}): Reply => ({ status: 200, ...binary({ 'ce-type': type, ...more }) });
const byType = (type: string) => ({ filter: { attributes: { type } } });
const base64 = (text: string) => Buffer.from(text).toString('base64');

const dead = (dest: string, code: string, data: string | RegExp): Received => ({
  headers: { 'ce-knativeerrordest': dest, 'ce-knativeerrorcode': code, 'ce-knativeerrordata': data },
});
const deadWithoutCause: Received = {
  headers: { 'ce-knativeerrordest': null, 'ce-knativeerrorcode': null, 'ce-knativeerrordata': null },
};
const dispatchError = /^ZGlzcGF0Y2ggZXJyb3I6/; // "dispatch error:"

const ingress: Scenario = {
  name: 'the ingress',
  triggers: { first: {} },
  cases: [
    ...[
      { name: 'POST to the broker', status: 202, deliveries: { first: 1 } },
      { name: 'a slash at the end', path: '{broker}/', status: 202, deliveries: { first: 1 } },
      { name: 'an unknown broker', path: '{broker}x', status: 404 },
      { name: 'another namespace', path: '/nowhere/default', status: 404 },
      { name: 'a query', path: '{broker}?a=1', status: 404 },
      { name: 'the root', path: '/', status: 404 },
      { name: 'a path of one part', path: '/default', status: 400 },
      { name: 'a path of three parts', path: '{broker}/more', status: 400 },
      { name: 'two slashes at the end', path: '{broker}//', status: 400 },
      { name: 'PUT', method: 'PUT', status: 405 },
      { name: 'DELETE', method: 'DELETE', status: 405 },
      { name: 'GET', method: 'GET', status: 405 },
      { name: 'GET of a health check', method: 'GET', path: '/healthz', status: 405 },
      { name: 'OPTIONS', method: 'OPTIONS', status: 200 },
    ].map<Case>(({ name, method = 'POST', path = '{broker}', status, deliveries }) => ({
      name,
      post: { method, path, ...(method === 'GET' ? {} : binary()) },
      status,
      ...(deliveries && { deliveries }),
    })),
    { name: 'an invalid event to an unknown broker', post: { path: '{broker}x', body: '{}' }, status: 400 },
    ...accepted({
      'specversion 1.0': binary(),
      'specversion 0.3': binary({ 'ce-specversion': '0.3' }),
      'no data': binary({}, ''),
      'malformed data, which only the subscriber refuses': binary({}, '{'),
      'a malformed TTL': binary({ 'ce-knativebrokerttl': 'many' }),
      'a TTL of 2': binary({ 'ce-knativebrokerttl': '2' }),
      'a TTL of 2.9': binary({ 'ce-knativebrokerttl': '2.9' }),
      'an empty subject': binary({ 'ce-subject': '' }),
      'structured mode': structured(),
      'structured mode with parameters': structured({}, 'Application/CloudEvents+JSON; charset=utf-8'),
      'structured mode, specversion 0.3': structured({ specversion: '0.3' }),
      'structured mode, an attribute that is null': structured({ subject: null, ext: null }),
      'an empty TTL': binary({ 'ce-knativebrokerttl': '' }),
      'quotes and percent signs': binary({ 'ce-subject': '"a" %zz' }),
      'structured mode, text': structured({ datacontenttype: 'text/plain', data: 'text' }),
      'a body of 2 MiB': binary({ 'content-type': 'text/plain' }, 'x'.repeat(2 * 1024 * 1024)),
    }),
    ...refused({
      'specversion 19.0': binary({ 'ce-specversion': '19.0' }),
      'no specversion': { ...binary(), headers: without(attributes, 'ce-specversion') },
      'no type': { ...binary(), headers: without(attributes, 'ce-type') },
      'no source': { ...binary(), headers: without(attributes, 'ce-source') },
      'no id': { ...binary(), headers: without(attributes, 'ce-id') },
      'an empty id': binary({ 'ce-id': '' }),
      'a malformed time': binary({ 'ce-time': 'yesterday' }),
      'a time in lower case': binary({ 'ce-time': '2026-11-27t10:00:00z' }),
      'a leap second': binary({ 'ce-time': '2016-12-31T23:59:60Z' }),
      'an invalid attribute name': binary({ 'ce-order-id': '1' }),
      'a TTL of 1': binary({ 'ce-knativebrokerttl': '1' }),
      'a TTL of -5': binary({ 'ce-knativebrokerttl': '-5' }),
      'no event': { headers: { 'content-type': 'application/json' }, body: '{}' },
      'structured mode, specversion 19.0': structured({ specversion: '19.0' }),
      'structured mode, no specversion': structured({ specversion: undefined }),
      'structured mode, no type': structured({ type: undefined }),
      'structured mode, no source': structured({ source: undefined }),
      'structured mode, no id': structured({ id: undefined }),
      'structured mode, an id that is null': structured({ id: null }),
      'structured mode, an id of blanks': structured({ id: ' ' }),
      'structured mode, an attribute that is an object': structured({ ext: {} }),
      'structured mode, a date as the time': structured({ time: '2026-11-27' }),
      'structured mode, a date that does not exist': structured({ time: '2026-02-30T10:00:00Z' }),
      'structured mode, malformed data_base64': structured({ data_base64: '???' }),
      'structured mode, a list': { ...structured(), body: '[{"specversion":"1.0"}]' },
      'structured mode, null': { ...structured(), body: 'null' },
      'structured mode, malformed JSON': { ...structured(), body: '{' },
      'a relative dataschema': binary({ 'ce-dataschema': 'relative' }),
      'a malformed content type': binary({ 'content-type': 'a b' }),
      'a content type among the attributes': binary({ 'ce-datacontenttype': 'text/plain' }),
      'structured mode, a number beyond 32 bits': structured({ count: 3_000_000_000 }),
      'structured mode, data that is not a string': structured({ datacontenttype: 'text/plain', data: {} }),
      'structured mode, data twice': structured({ data_base64: 'eA==', data: 'x' }),
      'a batch': { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: '[]' },
    }),
    {
      name: 'what a subscriber receives',
      post: binary({ authorization: 'Bearer secret', 'x-other': '1', 'ce-knativebrokerttl': '9', 'ce-subject': 'o1' }),
      status: 202,
      deliveries: {
        first: [
          {
            headers: {
              ...attributes,
              'ce-subject': 'o1',
              'ce-knativearrivaltime': /^\d{4}-\d\d-\d\dT.*Z$/,
              'ce-knativebrokerttl': null,
              'ce-time': null,
              prefer: 'reply',
              authorization: null,
              'x-other': null,
            },
            body: '{"n":1}',
          },
        ],
      },
    },
    {
      name: 'headers that are forwarded',
      post: binary({ 'x-request-id': 'r1' }),
      status: 202,
      deliveries: { first: [{ headers: { 'x-request-id': 'r1' } }] },
      local: {
        because: 'it forwards only attributes: in one process there are no headers',
        status: 202,
        deliveries: { first: [{ headers: { 'x-request-id': null } }] },
      },
    },
    {
      name: 'structured mode arrives in binary mode',
      post: structured({ datacontenttype: 'application/json', subject: 'o1', count: 7, data: { n: 0.1 } }),
      status: 202,
      deliveries: { first: [{ headers: { ...attributes, 'ce-subject': 'o1', 'ce-count': '7' }, body: '{"n":0.1}' }] },
    },
    {
      name: 'a number arrives as an integer',
      post: structured({ ratio: 1.9 }),
      status: 202,
      deliveries: { first: [{ headers: { 'ce-ratio': '1' } }] },
    },
    ...Object.entries<Post>({
      'a name in upper case': structured({ orderId: 'x' }),
      'an attribute named data': binary({ 'ce-data': 'x' }),
      'binary mode with the content type of an unknown format': binary({
        'content-type': 'application/cloudevents+xml',
      }),
    }).map(([name, post]) => ({
      name,
      post,
      status: 202,
      deliveries: { first: 1 },
      local: { because: 'it is as strict as the functions', status: 400 },
    })),
    {
      name: 'a source that is not a URI',
      post: binary({ 'ce-source': 'http://a b' }),
      status: 400,
      local: { because: 'it does not parse URIs', status: 202, deliveries: { first: 1 } },
    },
    {
      name: 'data_base64 arrives as bytes',
      post: structured({ datacontenttype: 'text/plain', data_base64: base64('bytes') }),
      status: 202,
      deliveries: { first: [{ headers: { 'content-type': 'text/plain' }, body: 'bytes' }] },
    },
    {
      name: 'no content type is added in binary mode',
      post: { ...binary(), headers: without(attributes, 'content-type') },
      status: 202,
      deliveries: { first: [{ headers: { 'content-type': null }, body: '{"n":1}' }] },
    },
    {
      name: 'no content type is added to structured data',
      post: structured({ data: 1 }),
      status: 202,
      deliveries: { first: [{ headers: { 'content-type': null }, body: '1' }] },
    },
    ...[
      ['2026-11-27T10:00:00.500+02:00', '2026-11-27T08:00:00.5Z'],
      ['2026-11-27T10:00:00.120Z', '2026-11-27T10:00:00.12Z'],
      ['2026-11-27T10:00:00.000Z', '2026-11-27T10:00:00Z'],
      ['2026-11-27T10:00:00.1234567890Z', '2026-11-27T10:00:00.123456789Z'],
    ].map(([given = '', written = '']) => ({
      name: `the time ${given} is normalized`,
      post: binary({ 'ce-time': given }),
      status: 202,
      deliveries: { first: [{ headers: { 'ce-time': written } }] },
    })),
    {
      name: 'an encoded attribute stays as it is',
      post: binary({ 'ce-subject': '%E6%B3%A8%E6%96%87-7' }),
      status: 202,
      deliveries: { first: [{ headers: { 'ce-subject': '%E6%B3%A8%E6%96%87-7' } }] },
    },
    {
      name: 'a non-ASCII attribute in structured mode',
      post: structured({ subject: '注文' }),
      status: 202,
      // UTF-8, read as Latin-1
      deliveries: { first: [{ headers: { 'ce-subject': Buffer.from('注文').toString('latin1') } }] },
      local: {
        because: 'it encodes the value (CloudEvents HTTP binding 1.0.2, section 3.1.3.2)',
        status: 202,
        deliveries: { first: [{ headers: { 'ce-subject': '%E6%B3%A8%E6%96%87' } }] },
      },
    },
    {
      name: 'a Broker without a delivery retries after 0.2 s and 0.4 s',
      post: binary(),
      replies: { first: [{ status: 503 }, { status: 503 }, {}] },
      status: 202,
      deliveries: { first: 3 },
      waitsMs: [200, 400],
    },
  ],
};

function accepted(posts: Record<string, Post>): Case[] {
  return Object.entries(posts).map(([name, post]) => ({ name, post, status: 202, deliveries: { first: 1 } }));
}

function refused(posts: Record<string, Post>): Case[] {
  return Object.entries(posts).map(([name, post]) => ({ name, post, status: 400 }));
}

/** A failure that is dead-lettered after this many attempts at `first`. */
function deadLettered(name: string, tries: number, reply: Reply, sunk: Received = deadWithoutCause): Case {
  return { name, post: binary(), replies: { first: reply }, status: 202, deliveries: { first: tries, sink: [sunk] } };
}

const retries: Scenario = {
  name: 'one retry and a dead letter sink',
  triggers: { first: { delivery: { retry: 1, deadLetterSink: 'sink' } } },
  cases: [
    ...[200, 201, 202, 204].map((status) => ({
      name: `${status} is delivered`,
      post: binary(),
      replies: { first: { status } },
      status: 202,
      deliveries: { first: 1 },
    })),
    ...[300, 301, 307, 400, 401, 403, 405, 410, 413, 415, 422, 425].map((status) =>
      deadLettered(`${status} is not retried`, 1, { status }, dead('{first}', String(status), '')),
    ),
    ...[404, 408, 409, 429, 500, 501, 502, 503, 504, 599].map((status) =>
      deadLettered(`${status} is retried`, 2, { status }, dead('{first}', String(status), '')),
    ),
    {
      name: 'a transient failure',
      post: binary(),
      replies: { first: [{ status: 503 }, {}] },
      status: 202,
      deliveries: { first: 2 },
    },
    deadLettered(
      'the body of a failure is in the dead letter',
      1,
      { status: 400, body: 'no' },
      dead('{first}', '400', base64('no')),
    ),
    deadLettered(
      'a body of 768 bytes fits',
      1,
      { status: 400, body: 'x'.repeat(768) },
      dead('{first}', '400', base64('x'.repeat(768))),
    ),
    deadLettered('a closed connection', 2, { reset: true }, dead('{first}', '500', dispatchError)),
    {
      name: '307 with a Location is followed',
      post: binary(),
      replies: { first: { status: 307, headers: { location: '{sink}' } } },
      status: 202,
      deliveries: { first: 1, sink: [deadWithoutCause] },
      local: {
        because: 'no function redirects',
        status: 202,
        deliveries: { first: 1, sink: [dead('{first}', '307', '')] },
      },
    },
    {
      name: '204 with the headers of an event is a reply',
      post: binary(),
      replies: { first: [{ status: 204, headers: attributes }, {}] },
      status: 202,
      deliveries: { first: 2 },
    },
    deadLettered('an empty structured event', 2, { status: 200, headers: structured().headers }),
    deadLettered('an unknown format', 2, {
      status: 200,
      headers: { 'content-type': 'application/cloudevents+xml' },
      body: 'x',
    }),
    deadLettered('a body that is not an event', 2, { status: 200, body: 'hello' }),
    deadLettered('a malformed structured event', 2, { status: 200, ...structured(), body: '{' }),
    deadLettered('an event with a bad time', 2, replying('b', { 'ce-time': 'yesterday' })),
    deadLettered('an event of an unknown version', 2, replying('b', { 'ce-specversion': '19.0' })),
    deadLettered('a batch', 2, { status: 200, ...structured({}, 'application/cloudevents-batch+json') }),
    {
      name: 'an unknown version without a body is an empty response',
      post: binary(),
      replies: { first: { status: 200, headers: { 'ce-specversion': '19.0' } } },
      status: 202,
      deliveries: { first: 1 },
    },
    {
      name: 'what a dead letter sink receives',
      post: binary({ 'ce-subject': 'o1' }),
      replies: { first: { status: 400 } },
      status: 202,
      deliveries: {
        first: [{ headers: { 'ce-knativeerrorcode': null, 'ce-knativebrokerttl': null } }],
        sink: [
          {
            headers: { ...attributes, 'ce-subject': 'o1', 'ce-knativebrokerttl': '255', prefer: null },
            body: '{"n":1}',
          },
        ],
      },
    },
    {
      name: 'an event keeps the attributes of an earlier failure',
      post: binary({
        'ce-knativeerrordest': 'http://earlier',
        'ce-knativeerrorcode': '418',
        'ce-knativeerrordata': 'data',
      }),
      replies: { first: { status: 400, body: 'no' } },
      status: 202,
      deliveries: { first: 1, sink: [dead('http://earlier', '418', 'data')] },
    },
    {
      name: 'a dead letter sink is retried too',
      post: binary(),
      replies: { first: { status: 400 }, sink: [{ status: 500 }, {}] },
      status: 202,
      deliveries: { first: 1, sink: 2 },
    },
    {
      name: 'a dead letter sink that fails: the event is lost, and the producer gets 500',
      post: binary(),
      replies: { first: { status: 400 }, sink: { status: 500 } },
      status: 500,
      deliveries: { first: 1, sink: 2 },
    },
    {
      name: 'any response of a dead letter sink is accepted',
      post: binary(),
      replies: { first: { status: 400 }, sink: { status: 200, body: 'hello' } },
      status: 202,
      deliveries: { first: 1, sink: 1 },
    },
    {
      name: 'the reply of a dead letter sink is dropped',
      post: binary(),
      replies: { first: { status: 400 }, sink: replying('b') },
      status: 202,
      deliveries: { first: 1, sink: 1 },
    },
    {
      ...deadLettered('a body of 769 bytes', 1, { status: 400, body: 'x'.repeat(769) }),
      // the buffer for its base64 is too short: the dispatcher panics before the sink receives anything
      status: 500,
      deliveries: { first: 1 },
      crashesDispatcher: true,
      local: {
        because: 'it does not crash: it reports the function and omits the body from the dead letter',
        status: 202,
        deliveries: {
          first: 1,
          sink: [
            {
              headers: { 'ce-knativeerrordest': '{first}', 'ce-knativeerrorcode': '400', 'ce-knativeerrordata': null },
            },
          ],
        },
      },
    },
  ],
};

const bare: Scenario = {
  name: 'an empty delivery',
  triggers: { first: { delivery: {} } },
  cases: [
    {
      name: 'a failure: one attempt, and the producer gets 500',
      post: binary(),
      replies: { first: { status: 503 } },
      status: 500,
      deliveries: { first: 1 },
    },
  ],
};

const unreachable: Scenario = {
  name: 'a subscriber that does not listen',
  triggers: { unreachable: { delivery: { retry: 1, deadLetterSink: 'sink' } } },
  cases: [
    {
      name: 'no connection',
      post: binary(),
      status: 202,
      deliveries: { sink: [dead('{unreachable}', '500', dispatchError)] },
    },
  ],
};

const backoff = (backoffPolicy: 'linear' | 'exponential', waitsMs: number[]): Scenario => ({
  name: `three retries, ${backoffPolicy} from 0.2 s`,
  triggers: { first: { delivery: { retry: 3, backoffPolicy, backoffDelay: 'PT0.2S', deadLetterSink: 'sink' } } },
  cases: [
    {
      name: 'three failures',
      post: binary(),
      replies: { first: [{ status: 500 }, { status: 500 }, { status: 500 }, {}] },
      status: 202,
      deliveries: { first: 4 },
      waitsMs,
    },
    {
      name: 'four failures',
      post: binary(),
      replies: { first: { status: 500 } },
      status: 202,
      deliveries: { first: 4, sink: 1 },
      waitsMs,
    },
    ...[429, 503].map((status) => ({
      name: `${status} with Retry-After, which is ignored without retryAfterMax`,
      post: binary(),
      replies: { first: [{ status, headers: { 'retry-after': '60' } }, {}] },
      status: 202,
      deliveries: { first: 2 },
      withinMs: 10_000,
    })),
  ],
});

const timeouts: Scenario = {
  name: 'a timeout of 1 s',
  triggers: {
    first: { ...byType('a'), delivery: { retry: 0, timeout: 'PT1S', deadLetterSink: 'sink' } },
    second: { ...byType('b'), delivery: { retry: 2, deadLetterSink: 'sinkOfSecond' } },
    third: byType('c'),
  },
  cases: [
    deadLettered('a subscriber that takes too long', 1, { afterMs: 2000 }),
    {
      name: 'a reply whose chain takes too long: the event is dead-lettered, and the chain ends',
      post: binary(),
      replies: { first: replying('b'), second: { ...replying('c'), afterMs: 2000 } },
      status: 202,
      deliveries: { first: 1, second: 1, sink: [dead('{ingress}', '500', dispatchError)] },
    },
    {
      name: 'a producer that disconnects: nothing is replied',
      post: { ...binary(), disconnects: true },
      replies: { first: { ...replying('b'), afterMs: 400 } },
      deliveries: { first: 1 },
    },
    {
      name: 'a producer that disconnects: nothing is retried or dead-lettered',
      post: { ...binary({ 'ce-type': 'b' }), disconnects: true },
      replies: { second: { status: 500, afterMs: 400 } },
      deliveries: { second: 1 },
    },
  ],
};

const replies: Scenario = {
  name: 'a chain of two with one retry',
  triggers: {
    first: { ...byType('a'), delivery: { retry: 1, deadLetterSink: 'sink' } },
    second: { ...byType('b'), delivery: { retry: 1 } },
  },
  cases: [
    {
      name: 'a reply reaches the next Trigger before the producer has its response',
      post: binary(),
      replies: { first: replying('b', { 'ce-knativebrokerttl': '9000' }), second: { afterMs: 200 } },
      status: 202,
      deliveries: { first: 1, second: [{ headers: { 'ce-type': 'b', 'ce-knativebrokerttl': null }, body: '{"n":1}' }] },
    },
    {
      name: 'a reply in structured mode',
      post: binary(),
      replies: { first: { status: 200, ...structured({ type: 'b', data: { n: 2 } }) } },
      status: 202,
      deliveries: { first: 1, second: [{ headers: { 'ce-type': 'b' }, body: '{"n":2}' }] },
    },
    {
      name: 'a reply of version 0.3 with status 202',
      post: binary(),
      replies: { first: { ...replying('b', { 'ce-specversion': '0.3' }), status: 202 } },
      status: 202,
      deliveries: { first: 1, second: [{ headers: { 'ce-specversion': '0.3' } }] },
    },
    {
      name: 'a reply that fails: retries multiply, and the event that led to it is dead-lettered',
      post: binary(),
      replies: { first: replying('b'), second: { status: 503 } },
      status: 202,
      deliveries: { first: 1, second: 4, sink: [dead('{ingress}', '500', '')] },
    },
    ...['ce-type', 'ce-source', 'ce-id'].map((name) => ({
      name: `a reply without ${name} is refused by the ingress`,
      post: binary(),
      replies: { first: { status: 200, ...binary(), headers: without(attributes, name) } },
      status: 202,
      deliveries: { first: 1, sink: [dead('{ingress}', '400', '')] },
    })),
  ],
};

const loop: Scenario = {
  name: 'a subscriber that replies with the same event',
  triggers: { first: { delivery: { retry: 1, deadLetterSink: 'sink' } } },
  cases: [
    {
      name: 'is delivered until the TTL is exhausted',
      post: binary({ 'ce-knativebrokerttl': '4' }),
      replies: { first: replying('a') },
      status: 202,
      deliveries: {
        first: 3,
        sink: [{ headers: { ...dead('{ingress}', '400', '').headers, 'ce-knativebrokerttl': '1' } }],
      },
    },
  ],
};

const precedence: Scenario = {
  name: 'a Broker with two retries and a dead letter sink',
  broker: { retry: 2, format: 'json', deadLetterSink: 'sinkOfBroker' },
  triggers: {
    own: { ...byType('own'), delivery: { retry: 1, deadLetterSink: 'sink' } },
    none: byType('none'),
    retry: { ...byType('retry'), delivery: { retry: 1 } },
    sinkOnly: { ...byType('sink'), delivery: { deadLetterSink: 'sink' } },
    json: { ...byType('json'), delivery: { format: 'json', retry: 0 } },
  },
  cases: [
    ...[
      { name: "a Trigger's own delivery takes precedence", type: 'own', deliveries: { own: 2, sink: 1 } },
      {
        name: "the Broker's delivery applies to a Trigger without one",
        type: 'none',
        deliveries: { none: 3, sinkOfBroker: 1 },
      },
      { name: 'only the dead letter sink falls back', type: 'retry', deliveries: { retry: 2, sinkOfBroker: 1 } },
      {
        name: 'a delivery with only a dead letter sink is not retried',
        type: 'sink',
        deliveries: { sinkOnly: 1, sink: 1 },
      },
    ].map(({ name, type, deliveries }) => ({
      name,
      post: binary({ 'ce-type': type }),
      replies: Object.fromEntries(
        Object.keys(deliveries).map((by) => [by, { status: by.startsWith('sink') && by !== 'sinkOnly' ? 204 : 500 }]),
      ),
      status: 202,
      deliveries,
    })),
    {
      name: "the Broker's format does not apply",
      post: binary({ 'ce-type': 'none' }),
      status: 202,
      deliveries: { none: [{ headers: attributesOf('none') }] },
    },
    {
      name: 'structured mode; a dead letter is in binary mode',
      post: binary({ 'ce-type': 'json' }),
      replies: { json: { status: 500 } },
      status: 202,
      deliveries: {
        json: [
          { headers: { 'content-type': 'application/cloudevents+json', 'ce-type': null }, body: /"data":\{"n":1\}/ },
        ],
        sinkOfBroker: [{ headers: attributesOf('json') }],
      },
    },
  ],
};

function attributesOf(type: string) {
  return { ...attributes, 'ce-type': type };
}

const type = 'shop.order.placed.v1';
const [isIt, isNot] = [{ exact: { subject: 'o1' } }, { exact: { subject: 'o2' } }];
/** Triggers that match the event of `filters`, by subscriber. */
export const matching: Record<string, TriggerSpec> = {
  nothing: {},
  noAttributes: { filter: { attributes: {} } },
  noFilters: { filters: [] },
  attributes: { filter: { attributes: { type, subject: 'o1' } } },
  present: { filter: { attributes: { subject: '' } } },
  number: { filter: { attributes: { priority: '2' } } },
  exact: { filters: [{ exact: { subject: 'o1', source: '/test' } }] },
  prefix: { filters: [{ prefix: { type: 'shop.order.' } }] },
  suffix: { filters: [{ suffix: { type: '.v1' } }] },
  all: { filters: [{ all: [{ prefix: { type: 'shop' } }, { suffix: { type: 'v1' } }] }] },
  any: { filters: [{ any: [isNot, isIt] }] },
  not: { filters: [{ not: isNot }] },
  notMissing: { filters: [{ not: { exact: { nothere: 'x' } } }] },
  nested: { filters: [{ not: { any: [{ exact: { type: 'x' } }, { all: [{ prefix: { type: 'y' } }, isIt] }] } }] },
  filtersWin: { filter: { attributes: { type: 'x' } }, filters: [isIt] },
  time: { filters: [{ exact: { time: '2026-11-27T10:00:00.5Z' } }] },
};
/** Triggers that do not match it. */
export const notMatching: Record<string, TriggerSpec> = {
  otherType: byType('x'),
  oneOfTwo: { filter: { attributes: { type, subject: 'o2' } } },
  missing: { filter: { attributes: { nothere: '' } } },
  empty: { filter: { attributes: { empty: '' } } },
  exactOneOfTwo: { filters: [{ exact: { subject: 'o1', source: '/other' } }] },
  exactMissing: { filters: [{ exact: { nothere: 'x' } }] },
  prefixMissing: { filters: [{ prefix: { nothere: 'x' } }] },
  suffixMissing: { filters: [{ suffix: { nothere: 'x' } }] },
  prefixOther: { filters: [{ prefix: { type: 'order' } }] },
  suffixOther: { filters: [{ suffix: { type: 'v2' } }] },
  allButOne: { filters: [{ all: [isIt, isNot] }] },
  anyOfNone: { filters: [{ any: [isNot, { exact: { type: 'x' } }] }] },
  notIt: { filters: [{ not: isIt }] },
  listButOne: { filters: [isIt, isNot] },
  filtersLose: { filter: { attributes: { subject: 'o1' } }, filters: [isNot] },
};

const filters: Scenario = {
  name: 'filters',
  triggers: { ...matching, ...notMatching },
  cases: [
    {
      name: 'every Trigger that matches receives the event once',
      post: binary({
        'ce-type': type,
        'ce-subject': 'o1',
        'ce-priority': '2',
        'ce-empty': '',
        'ce-time': '2026-11-27T10:00:00.500Z',
      }),
      status: 202,
      deliveries: Object.fromEntries(Object.keys(matching).map((subscriber) => [subscriber, 1])),
    },
  ],
};

/** Every case, by Broker. */
export const scenarios: Scenario[] = [
  ingress,
  retries,
  bare,
  unreachable,
  backoff('linear', [0, 200, 400]),
  backoff('exponential', [200, 400, 800]),
  timeouts,
  replies,
  loop,
  precedence,
  filters,
];
