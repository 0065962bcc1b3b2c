import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { attributesSchema, filterSchema, type FilterSpec } from '#events/topology/filters.ts';

/** How the events of a Trigger are delivered. */
export interface Delivery {
  /** Attempts after the first. */
  retry: number;
  backoffPolicy: 'linear' | 'exponential';
  backoffDelayMs: number;
  timeoutMs: number;
  /** The longest `Retry-After` that is honored; without it none is. */
  retryAfterMaxMs?: number | undefined;
  /** `json` = structured mode; otherwise binary mode. */
  format?: 'json' | 'binary' | undefined;
  /** The service that receives events whose delivery failed. */
  deadLetterSink?: string | undefined;
}

export interface BrokerManifest {
  name: string;
  namespace: string;
  delivery: Delivery;
}

export interface Trigger extends FilterSpec {
  name: string;
  /** The service that receives the events. */
  subscriber: string;
  delivery: Delivery;
}

export interface Manifests {
  broker: BrokerManifest;
  triggers: Trigger[];
}

const API_VERSION = 'eventing.knative.dev/v1';
// The timeout of the in-memory channel if none is set.
const DEFAULT_TIMEOUT_MS = 15 * 60_000;

// The delivery of a Broker without one (config-br-defaults).
const DEFAULT_DELIVERY: DeliverySpec = { retry: 10, backoffPolicy: 'exponential', backoffDelay: 200 };

const DURATION =
  /^P(?=.)(?:(\d+(?:\.\d+)?)D)?(?:T(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

const duration = z
  .string()
  .regex(DURATION, 'must be an ISO 8601 duration such as PT0.1S, PT10S or PT1M')
  .transform((text) => {
    const [, days = 0, hours = 0, minutes = 0, seconds = 0] = DURATION.exec(text) ?? [];
    const wholeMinutes = (Number(days) * 24 + Number(hours)) * 60 + Number(minutes);
    return Math.round((wholeMinutes * 60 + Number(seconds)) * 1000);
  })
  .refine((ms) => ms <= 24 * 3_600_000, 'must be a day or less');

const ref = z.strictObject(
  {
    apiVersion: z.string().optional(),
    kind: z.literal('Service'),
    name: z.string().min(1),
    namespace: z.string().optional(),
  },
  {
    error: ({ input }) =>
      input === undefined ? 'is required: the local broker supports names, not addresses' : undefined,
  },
);

const service = z.strictObject({ ref }).transform((destination) => destination.ref.name);

const delivery = z.strictObject({
  retry: z.int().min(0).optional(),
  backoffPolicy: z.enum(['linear', 'exponential']).optional(),
  backoffDelay: duration.optional(),
  timeout: duration.refine((ms) => ms > 0, 'must be more than zero').optional(),
  retryAfterMax: duration.optional(),
  format: z.enum(['json', 'binary']).optional(),
  deadLetterSink: service.optional(),
});

const metadata = z.object({ name: z.string().min(1), namespace: z.string().min(1).default('default') });

const brokerSchema = z.object({
  apiVersion: z.literal(API_VERSION),
  metadata,
  spec: z
    .strictObject({ config: z.unknown().optional(), delivery: delivery.default(DEFAULT_DELIVERY) })
    .default({ delivery: DEFAULT_DELIVERY }),
});

const triggerSchema = z.object({
  apiVersion: z.literal(API_VERSION),
  metadata,
  spec: z.strictObject({
    broker: z.string().min(1),
    filter: z.strictObject({ attributes: attributesSchema.optional() }).optional(),
    filters: z.array(filterSchema).optional(),
    subscriber: service,
    delivery: delivery.optional(),
  }),
});

const anyObject = z
  .object({ apiVersion: z.string().catch(''), kind: z.string().catch('') })
  .catch({ apiVersion: '', kind: '' });

type DeliverySpec = z.infer<typeof delivery>;

interface Manifest {
  file: string;
  document: unknown;
}

/**
 * Reads the Broker and the Triggers from every `*.yaml` in a folder; objects of other API groups are ignored. A
 * Trigger's `delivery` replaces the Broker's as a whole; only the dead letter sink falls back. Throws one error that
 * names the file and the field.
 */
export function readManifests(folder: string): Manifests {
  const found = documents(folder).map((manifest) => ({ ...manifest, kind: kindOf(manifest) }));
  const brokers = found.filter(({ kind }) => kind === 'Broker').map((manifest) => parse(brokerSchema, manifest));
  const [only, second] = brokers;
  if (!only || second) throw new Error(`${folder}: must hold one Broker, found ${brokers.length}`);
  const { metadata: named, spec } = only;
  const broker = { name: named.name, namespace: named.namespace, delivery: deliveryOf(spec.delivery) };
  const names = new Set<string>();
  const triggers = found
    .filter(({ kind }) => kind === 'Trigger')
    .map((manifest) => {
      const trigger = readTrigger(manifest, broker, spec.delivery);
      // on a cluster the second would replace the first
      if (names.has(trigger.name)) throw new Error(`${manifest.file}: metadata.name: ${trigger.name} is taken`);
      names.add(trigger.name);
      return trigger;
    });
  return { broker, triggers };
}

function readTrigger(manifest: Manifest, broker: BrokerManifest, ofBroker?: DeliverySpec): Trigger {
  const { metadata: named, spec } = parse(triggerSchema, manifest);
  if (spec.broker !== broker.name) throw new Error(`${manifest.file}: spec.broker: there is no Broker ${spec.broker}`);
  if (named.namespace !== broker.namespace)
    throw new Error(`${manifest.file}: metadata.namespace: must be the Broker's`);
  return {
    name: named.name,
    filter: spec.filter?.attributes,
    filters: spec.filters,
    subscriber: spec.subscriber,
    // the Broker's format does not apply
    delivery: deliveryOf(spec.delivery ?? { ...ofBroker, format: undefined }, ofBroker?.deadLetterSink),
  };
}

function deliveryOf(spec: DeliverySpec = {}, fallbackSink?: string): Delivery {
  return {
    retry: spec.retry ?? 0,
    backoffPolicy: spec.backoffPolicy ?? 'exponential',
    // Knative waits only if both the policy and the delay are set
    backoffDelayMs: spec.backoffPolicy ? (spec.backoffDelay ?? 0) : 0,
    timeoutMs: spec.timeout ?? DEFAULT_TIMEOUT_MS,
    retryAfterMaxMs: spec.retryAfterMax,
    format: spec.format,
    deadLetterSink: spec.deadLetterSink ?? fallbackSink,
  };
}

function documents(folder: string): Manifest[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return files.toSorted().flatMap((name) => {
    const file = join(folder, name);
    return [...parseAllDocuments(readFileSync(file, 'utf8'))].map((document) => {
      const [problem] = document.errors;
      if (problem) throw new Error(`${file}: is not YAML: ${problem.message.split(/:?\n/)[0]}`);
      return { file, document: document.toJS() as unknown };
    });
  });
}

function kindOf({ file, document }: Manifest): string | undefined {
  const { apiVersion, kind } = anyObject.parse(document);
  if (kind === 'Broker' || kind === 'Trigger' || !apiVersion.startsWith('eventing.knative.dev/')) return kind;
  throw new Error(`${file}: kind: must be Broker or Trigger`);
}

function parse<Schema extends z.ZodType>(schema: Schema, { file, document }: Manifest): z.infer<Schema> {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join('.')}: ${issue?.message}`);
}
