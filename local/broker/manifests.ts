import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { attributesSchema, filterSchema, type FilterSpec } from '#local/broker/filters.ts';

/** How the events of a Trigger are delivered; times in milliseconds. */
export interface Delivery {
  /** Tries after the first. */
  retry: number;
  backoffPolicy: 'linear' | 'exponential';
  backoffDelayMs: number;
  timeoutMs: number;
  /** The service that gets what was given up. */
  deadLetterSink?: string | undefined;
}

export interface BrokerManifest {
  name: string;
  namespace: string;
  delivery: Delivery;
}

export interface Trigger extends FilterSpec {
  name: string;
  /** The service that gets the events. */
  subscriber: string;
  delivery: Delivery;
}

export interface Manifests {
  broker: BrokerManifest;
  triggers: Trigger[];
}

const API_VERSION = 'eventing.knative.dev/v1';
// What the in-memory channel waits for a subscriber when no timeout is set.
const DEFAULT_TIMEOUT_MS = 15 * 60_000;

const DURATION =
  /^P(?=.)(?:(\d+(?:\.\d+)?)D)?(?:T(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

const duration = z
  .string()
  .regex(DURATION, 'must be an ISO 8601 duration such as PT0.1S, PT10S or PT1M')
  .transform((text) => {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = (DURATION.exec(text) ?? [])
      .slice(1)
      .map((n) => Number(n ?? 0));
    return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000);
  })
  .refine((ms) => ms <= 24 * 3_600_000, 'must be a day or less');

const serviceRef = z.strictObject({
  apiVersion: z.string().optional(),
  kind: z.literal('Service'),
  name: z.string().min(1),
  namespace: z.string().optional(),
});

const service = z
  .strictObject({ ref: serviceRef }, 'must name a Service by ref: the local broker knows no addresses')
  .transform(({ ref }) => ref.name);

const delivery = z.strictObject({
  retry: z.int().min(0).default(0),
  backoffPolicy: z.enum(['linear', 'exponential']).optional(),
  backoffDelay: duration.optional(),
  timeout: duration.refine((ms) => ms > 0, 'must be more than zero').optional(),
  deadLetterSink: service.optional(),
});

const metadata = z.object({ name: z.string().min(1), namespace: z.string().min(1).default('default') });

const brokerSchema = z.object({
  apiVersion: z.literal(API_VERSION),
  metadata,
  spec: z.strictObject({ config: z.unknown().optional(), delivery: delivery.optional() }).default({}),
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

type DeliverySpec = z.infer<typeof delivery>;

/**
 * Reads the Broker and the Triggers from every `*.yaml` in a folder; objects of other groups are passed over.
 * A Trigger's `delivery` replaces the Broker's as a whole; only the dead letter sink falls back.
 * Throws one error that names the file and the field.
 */
export function readManifests(folder: string): Manifests {
  const brokers: { broker: BrokerManifest; delivery: DeliverySpec | undefined }[] = [];
  const triggers: { file: string; trigger: z.infer<typeof triggerSchema> }[] = [];
  for (const { file, document } of documents(folder)) {
    const kind = kindOf(file, document);
    if (kind === 'Trigger') triggers.push({ file, trigger: parse(triggerSchema, document, file) });
    if (kind !== 'Broker') continue;
    const { metadata: named, spec } = parse(brokerSchema, document, file);
    brokers.push({ broker: { ...named, delivery: deliveryOf(spec.delivery) }, delivery: spec.delivery });
  }
  const [only, second] = brokers;
  if (!only || second) throw new Error(`${folder}: must hold one Broker, found ${brokers.length}`);
  const seen = new Set<string>();
  return {
    broker: only.broker,
    triggers: triggers.map(({ file, trigger: { metadata: named, spec } }) => {
      if (spec.broker !== only.broker.name) throw new Error(`${file}: spec.broker: there is no Broker ${spec.broker}`);
      if (named.namespace !== only.broker.namespace)
        throw new Error(`${file}: metadata.namespace: must be that of the Broker, ${only.broker.namespace}`);
      // In a cluster the second would replace the first.
      if (seen.has(named.name)) throw new Error(`${file}: metadata.name: a second Trigger is called ${named.name}`);
      seen.add(named.name);
      return {
        name: named.name,
        filter: spec.filter?.attributes,
        filters: spec.filters,
        subscriber: spec.subscriber,
        delivery: deliveryOf(spec.delivery ?? only.delivery, only.delivery?.deadLetterSink),
      };
    }),
  };
}

function deliveryOf(spec: DeliverySpec = { retry: 0 }, fallbackSink?: string): Delivery {
  return {
    retry: spec.retry,
    backoffPolicy: spec.backoffPolicy ?? 'exponential',
    // Knative waits only if both the policy and the delay are set.
    backoffDelayMs: spec.backoffPolicy ? (spec.backoffDelay ?? 0) : 0,
    timeoutMs: spec.timeout ?? DEFAULT_TIMEOUT_MS,
    deadLetterSink: spec.deadLetterSink ?? fallbackSink,
  };
}

function documents(folder: string): { file: string; document: unknown }[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted();
  return files.flatMap((name) => {
    const file = join(folder, name);
    return [...parseAllDocuments(readFileSync(file, 'utf8'))].map((document) => {
      const [problem] = document.errors;
      if (problem) throw new Error(`${file}: is not YAML: ${problem.message.split(/:?\n/)[0]}`);
      return { file, document: document.toJS() as unknown };
    });
  });
}

function kindOf(file: string, document: unknown): string | undefined {
  const { apiVersion, kind } = z
    .object({ apiVersion: z.string().catch(''), kind: z.string().catch('') })
    .catch({ apiVersion: '', kind: '' })
    .parse(document);
  if (kind === 'Broker' || kind === 'Trigger' || !apiVersion.startsWith('eventing.knative.dev/')) return kind;
  throw new Error(`${file}: kind: must be Broker or Trigger`);
}

function parse<Schema extends z.ZodType>(schema: Schema, document: unknown, file: string): z.infer<Schema> {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join('.')}: ${issue?.message}`);
}
