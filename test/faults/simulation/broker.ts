import type { CloudEventV1 } from 'cloudevents';
import { deadLetter } from '#local/broker/delivery.ts';
import { indexByType } from '#local/broker/filters.ts';
import { readManifests } from '#local/broker/manifests.ts';

/** An event on its way to one function. */
export interface Parcel {
  to: string;
  event: CloudEventV1<unknown>;
  triesLeft: number;
}

/** What a delivery came to: the status, -1 if no answer has arrived; the next event, if there is one. */
export interface Receipt {
  status: number;
  event?: CloudEventV1<unknown> | undefined;
  /** Why it was refused. */
  problem?: object | undefined;
}

/** A broker without a clock: it holds what is on its way, and the simulation says what arrives, in which order. */
export interface VirtualBroker {
  /** On their way, oldest first. */
  readonly parcels: Parcel[];
  /** Every event that it has ever taken. */
  readonly history: CloudEventV1<unknown>[];
  take(event: CloudEventV1<unknown>): void;
  /** Goes on after a delivery as Knative does: takes the reply, tries again, or gives up and tells the dead letter sink. */
  goOn(parcel: Parcel, receipt: Receipt): void;
}

const manifests = readManifests('broker');
const wantedBy = indexByType(manifests.triggers);
const sink = manifests.broker.delivery.deadLetterSink;

export function virtualBroker(): VirtualBroker {
  const parcels: Parcel[] = [];
  const history: CloudEventV1<unknown>[] = [];
  const take = (event: CloudEventV1<unknown>) => {
    history.push(event);
    for (const { subscriber, delivery } of wantedBy(event)) {
      parcels.push({ to: subscriber, event, triesLeft: delivery.retry });
    }
  };
  return {
    parcels,
    history,
    take,
    goOn: ({ to, event, triesLeft }, { status, event: next, problem }) => {
      if (next) take(next);
      if (status >= 200 && status < 300) return;
      if (status !== 400 && triesLeft > 0) parcels.push({ to, event, triesLeft: triesLeft - 1 });
      else if (sink && to !== sink) {
        const given = deadLetter(event, `http://${to}`, { status, body: JSON.stringify(problem) });
        parcels.push({ to: sink, event: given, triesLeft: 3 });
      }
    },
  };
}
