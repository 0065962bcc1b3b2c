import type { CloudEventV1 } from 'cloudevents';
import { deadLetter } from '#local/broker/delivery.ts';
import { indexByType } from '#events/topology/filters.ts';
import { readManifests } from '#events/topology/manifests.ts';

/** A delivery of an event to one function. */
export interface Delivery {
  to: string;
  event: CloudEventV1<unknown>;
  retriesLeft: number;
}

/** The outcome of a delivery. */
export interface Receipt {
  /** -1 if no response has arrived. */
  status: number;
  /** The event that the function replied with. */
  event?: CloudEventV1<unknown> | undefined;
  /** The body of a refusal. */
  problem?: object | undefined;
}

/** A broker without a clock: it holds the deliveries, and the simulation decides which one is made next. */
export interface VirtualBroker {
  /** Not yet made, oldest first. */
  readonly deliveries: Delivery[];
  /** Every event that it has ever accepted. */
  readonly history: CloudEventV1<unknown>[];
  accept(event: CloudEventV1<unknown>): void;
  /** What Knative does after a delivery: accepts the reply, retries, or sends a dead letter after the last retry. */
  complete(delivery: Delivery, receipt: Receipt): void;
}

const manifests = readManifests('broker');
const subscribersOf = indexByType(manifests.triggers);
const sink = manifests.broker.delivery.deadLetterSink;

export function virtualBroker(): VirtualBroker {
  const deliveries: Delivery[] = [];
  const history: CloudEventV1<unknown>[] = [];
  const accept = (event: CloudEventV1<unknown>) => {
    history.push(event);
    for (const { subscriber, delivery } of subscribersOf(event)) {
      deliveries.push({ to: subscriber, event, retriesLeft: delivery.retry });
    }
  };
  return {
    deliveries,
    history,
    accept,
    complete: ({ to, event, retriesLeft }, { status, event: next, problem }) => {
      if (next) accept(next);
      if (status >= 200 && status < 300) return;
      if (status !== 400 && retriesLeft > 0) deliveries.push({ to, event, retriesLeft: retriesLeft - 1 });
      else if (sink && to !== sink) {
        const refused = deadLetter(event, `http://${to}`, { status, body: JSON.stringify(problem) });
        deliveries.push({ to: sink, event: refused, retriesLeft: 3 });
      }
    },
  };
}
