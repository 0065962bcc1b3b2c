import { z } from 'zod';
import type { CloudEventV1 } from 'cloudevents';

/** Attribute names with the expected value of each. An empty string in `filter.attributes` means: present. */
export type Attributes = Readonly<Record<string, string>>;

/** One item of a Trigger's `filters`: exactly one dialect (CloudEvents Subscriptions API, section 3.2.4). */
export interface Filter {
  exact?: Attributes | undefined;
  prefix?: Attributes | undefined;
  suffix?: Attributes | undefined;
  all?: Filter[] | undefined;
  any?: Filter[] | undefined;
  not?: Filter | undefined;
}

/** The filters of a Trigger; without any it matches all events. */
export interface FilterSpec {
  filter?: Attributes | undefined;
  filters?: Filter[] | undefined;
}

export type Predicate = (event: CloudEventV1<unknown>) => boolean;

const isName = (name: string) => /^[a-z][a-z0-9]*$/.test(name) && name !== 'data';

/** `filter.attributes` of a Trigger. */
export const attributesSchema = z
  .record(z.string(), z.string('must be a string (quote it)'))
  .refine((attributes) => Object.keys(attributes).every(isName), 'names are lowercase letters and digits');

const nonEmptyAttributes = attributesSchema
  .refine((attributes) => Object.keys(attributes).length > 0, 'names no attribute')
  .refine(
    (attributes) => Object.values(attributes).every(Boolean),
    'an empty string is allowed in filter.attributes only',
  );

/** One item of `filters`. */
export const filterSchema: z.ZodType<Filter> = z
  .strictObject({
    exact: nonEmptyAttributes.optional(),
    prefix: nonEmptyAttributes.optional(),
    suffix: nonEmptyAttributes.optional(),
    all: z.lazy(() => z.array(filterSchema).min(1)).optional(),
    any: z.lazy(() => z.array(filterSchema).min(1)).optional(),
    not: z.lazy(() => filterSchema).optional(),
    cesql: z
      .never('is supported by Knative, not by the local broker: use exact, prefix, suffix, all, any and not')
      .optional(),
  })
  .refine((item) => Object.keys(item).length === 1, 'must be exactly one of exact, prefix, suffix, all, any, not');

/** Compiles a Trigger's filter; a non-empty `filters` takes precedence over `filter`. */
export function compileFilter({ filter = {}, filters = [] }: FilterSpec): Predicate {
  if (filters.length > 0) return every(filters.map(compile));
  return every(
    Object.entries(filter).map(([name, value]) => attribute(name, (text) => value === '' || text === value)),
  );
}

/**
 * Compiles many filters into a function that returns those that match an event. Filters for one type are indexed by it.
 */
export function indexByType<Spec extends FilterSpec>(specs: Spec[]): (event: CloudEventV1<unknown>) => Spec[] {
  const compiled = specs.map((spec) => ({ spec, type: requiredType(spec), matches: compileFilter(spec) }));
  const ofAnyType = compiled.filter(({ type }) => type === undefined);
  const byType = new Map(
    compiled.map(({ type }) => [type, compiled.filter((other) => other.type === type || other.type === undefined)]),
  );
  return (event) => {
    const found: Spec[] = [];
    for (const { spec, matches } of byType.get(event.type) ?? ofAnyType) if (matches(event)) found.push(spec);
    return found;
  };
}

function requiredType({ filter, filters = [] }: FilterSpec): string | undefined {
  if (filters.length === 0) return filter?.['type'] || undefined;
  return filters.find(({ exact }) => exact?.['type'])?.exact?.['type'];
}

function compile({ exact, prefix, suffix, all, any, not }: Filter): Predicate {
  if (exact) return matching(exact, (text, value) => text === value);
  if (prefix) return matching(prefix, (text, value) => text.startsWith(value));
  if (suffix) return matching(suffix, (text, value) => text.endsWith(value));
  if (all) return every(all.map(compile));
  if (any) return some(any.map(compile));
  if (not) return negated(compile(not));
  throw new Error('a filter without a dialect');
}

function matching(attributes: Attributes, test: (text: string, value: string) => boolean): Predicate {
  return every(Object.entries(attributes).map(([name, value]) => attribute(name, (text) => test(text, value))));
}

/** A missing attribute matches nothing; numbers and booleans are compared in their string form, as in a header. */
function attribute(name: string, test: (text: string) => boolean): Predicate {
  return (event) => {
    const value = event[name];
    if (typeof value === 'string') return value !== '' && test(value);
    return (typeof value === 'number' || typeof value === 'boolean') && test(String(value));
  };
}

function every(predicates: Predicate[]): Predicate {
  const [only] = predicates;
  if (only && predicates.length === 1) return only;
  return (event) => predicates.every((matches) => matches(event));
}

function some(predicates: Predicate[]): Predicate {
  return (event) => predicates.some((matches) => matches(event));
}

function negated(matches: Predicate): Predicate {
  return (event) => !matches(event);
}
