import { randomUUID } from 'node:crypto';
import type { CloudEventV1 } from 'cloudevents';

/** What Knative's PingSource posts: a CloudEvent without data, unsigned. */
export function ping(): CloudEventV1<undefined> {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: '/apis/v1/namespaces/shop/pingsources/every-minute',
    type: 'dev.knative.sources.ping',
    time: new Date().toISOString(),
  };
}
