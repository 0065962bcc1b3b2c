import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { thisFunction } from '#platform/telemetry/log.ts';

/** Every metric of the shop. Each has a label `function`: in a process that serves all of them too. */
export const registry = new Registry();
registry.setDefaultLabels({ function: thisFunction });

const registers = [registry];
interface ObservedGauge<Label extends string> {
  name: string;
  help: string;
  labels: readonly Label[];
  /** Called at each scrape; what it set before is gone. */
  collect(set: (labels: Record<Label, string>, value: number) => void): Promise<void> | void;
}

/** Registers a gauge whose values are read at each scrape; it replaces one of the same name. */
export function observeGauge<Label extends string>({ name, help, labels, collect }: ObservedGauge<Label>): void {
  registry.removeSingleMetric(name);
  registry.registerMetric(
    new Gauge<string>({
      name,
      help,
      labelNames: [...labels],
      registers: [],
      async collect() {
        this.reset();
        await collect((its, value) => this.set(its, value));
      },
    }),
  );
}

// from what one statement takes to what a Trigger waits for
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Seconds to handle an event. `result`: replied (with an event), done, ignored, refused (400), unavailable (503). */
export const eventsHandled = new Histogram({
  name: 'shop_event_handling_seconds',
  help: 'Time to handle an event, by its type and result',
  labelNames: ['function', 'type', 'result'] as const,
  buckets,
  registers,
});

/** Seconds to respond to a request. */
export const requestSeconds = new Histogram({
  name: 'shop_request_seconds',
  help: 'Time to respond to a request, by its HTTP status',
  labelNames: ['function', 'status'] as const,
  buckets,
  registers,
});

/** Orders by the state that they reached; each transition is counted once, however often its event is delivered. */
export const orders = new Counter({
  name: 'shop_orders_total',
  help: 'Orders that reached this state',
  labelNames: ['function', 'outcome'] as const,
  registers,
});

/** Attempts to send a mail: sent, later (to be tried again), refused (for good). */
export const mails = new Counter({
  name: 'shop_mails_total',
  help: 'Attempts to send a mail, by how they ended',
  labelNames: ['function', 'result'] as const,
  registers,
});

/** Publications of the first events of chains. `attempt`: first, or repeated by the outbox. */
export const publications = new Counter({
  name: 'shop_publications_total',
  help: 'First events of chains that were sent to the broker, for the first time or again',
  labelNames: ['function', 'attempt'] as const,
  registers,
});

/** Deliveries whose retries are exhausted; the outbox publishes their chains again. */
export const retriesExhausted = new Counter({
  name: 'shop_retries_exhausted_total',
  help: 'Deliveries that exhausted their retries for another reason than a refusal; the outbox repeats them',
  labelNames: ['function'] as const,
  registers,
});

/** Events from untrusted senders that were not stored. */
export const unverifiedDropped = new Counter({
  name: 'shop_unverified_events_dropped_total',
  help: 'Unverified events that were not stored, because there are too many of them',
  labelNames: ['function'] as const,
  registers,
});
