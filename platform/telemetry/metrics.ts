import { Counter, Histogram, Registry } from 'prom-client';
import { thisFunction } from '#platform/telemetry/log.ts';

/** Every metric of the shop. Each has a label `function`: in a process that serves all of them too. */
export const registry = new Registry();
registry.setDefaultLabels({ function: thisFunction });

const registers = [registry];
// from what one statement takes to what a Trigger waits for
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Events handled, and the seconds that each took. `result`: answered, done, ignored, refused (400), unavailable (503). */
export const eventsHandled = new Histogram({
  name: 'shop_event_handling_seconds',
  help: 'Time to handle an event, by its type and how that ended',
  labelNames: ['function', 'type', 'result'] as const,
  buckets,
  registers,
});

/** Requests answered, and the seconds that each took. */
export const requestSeconds = new Histogram({
  name: 'shop_request_seconds',
  help: 'Time to answer a request, by its HTTP status',
  labelNames: ['function', 'status'] as const,
  buckets,
  registers,
});

/** Orders that have come to a state, each counted once, whatever is delivered again. */
export const orders = new Counter({
  name: 'shop_orders_total',
  help: 'Orders that have come to this state',
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

/** Deliveries that the broker gave up and the outbox will repeat. */
export const retriesExhausted = new Counter({
  name: 'shop_retries_exhausted_total',
  help: 'Deliveries that the broker gave up for another reason than a refusal; the outbox repeats them',
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
