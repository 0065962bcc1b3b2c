import { until } from '#test/support/until.ts';
import { kubectl, namespace } from './client.ts';

/** The pods of a part of the shop or of the cluster. */
export interface Place {
  namespace: string;
  selector: string;
}

interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  status: { phase: string; conditions?: { type: string; status: string }[] };
}

const env = (name: string, otherwise: string) => process.env[name] || otherwise;

const isCluster = 'cnpg.io/cluster=postgres';
/** The pods of the shop, of Postgres and of Knative's broker; those of the broker's nodes and channel are settings. */
export const places = {
  primary: { namespace, selector: `${isCluster},cnpg.io/instanceRole=primary` },
  standbys: { namespace, selector: `${isCluster},cnpg.io/instanceRole=replica` },
  servers: { namespace, selector: isCluster },
  singleServer: { namespace, selector: 'app=postgres' },
  brokerNodes: {
    namespace: env('BROKER_NODES_NAMESPACE', 'nats-io'),
    selector: env('BROKER_NODES_SELECTOR', 'app=nats'),
  },
  dispatchers: {
    namespace: env('DISPATCHER_NAMESPACE', 'knative-eventing'),
    selector: env('DISPATCHER_SELECTOR', 'messaging.knative.dev/role=dispatcher'),
  },
  receivers: {
    namespace: env('RECEIVER_NAMESPACE', 'knative-eventing'),
    selector: env('RECEIVER_SELECTOR', 'eventing.knative.dev/brokerRole in (ingress, filter)'),
  },
  functions: { namespace, selector: 'serving.knative.dev/service' },
  mailCatcher: { namespace, selector: 'app=mail-catcher' },
} satisfies Record<string, Place>;

/** The pods of one function. */
export const placeOf = (name: string): Place => ({ namespace, selector: `serving.knative.dev/service=${name}` });

export const describe = (place: Place): string => `${place.namespace}/${place.selector}`;

/** The pods that run there. */
export async function podsOf(place: Place): Promise<Pod[]> {
  const list = await kubectl('-n', place.namespace, 'get', 'pod', '-l', place.selector, '-o', 'json');
  return (JSON.parse(list) as { items: Pod[] }).items.filter(
    ({ status }) => !['Succeeded', 'Failed'].includes(status.phase),
  );
}

export const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some(({ type, status: holds }) => type === 'Ready' && holds === 'True');

/** Pods that were deleted. */
export interface Deletion {
  /** Before `kubectl delete` was called. */
  deletedAt: number;
  uids: Set<string>;
}

/** Deletes pods by force: all of a place, or those that `choose` returns. */
export async function deleteByForce(place: Place, choose: (pods: Pod[]) => Pod[] = (pods) => pods): Promise<Deletion> {
  const pods = choose(await podsOf(place));
  if (pods.length === 0) throw new Error(`no pod of ${describe(place)} runs`);
  const names = pods.map(({ metadata }) => metadata.name);
  const deletedAt = Date.now();
  await kubectl(
    '-n',
    place.namespace,
    'delete',
    'pod',
    ...names,
    '--grace-period=0',
    '--force',
    '--wait=false',
    // an instance that has ended in the meantime
    '--ignore-not-found',
  );
  return { deletedAt, uids: new Set(pods.map(({ metadata }) => metadata.uid)) };
}

/** Waits until `count` pods are ready, none of them deleted before. */
export const readyAgain = (place: Place, count: number, deleted: Deletion, withinMs?: number): Promise<boolean> =>
  until(
    `${count} pods of ${describe(place)} are ready`,
    async () => {
      const ready = (await podsOf(place)).filter((pod) => isReady(pod) && !deleted.uids.has(pod.metadata.uid));
      return ready.length >= count;
    },
    withinMs,
  );

/** Waits until each function has the instances that Knative wants, none of them deleted before. */
export const functionsReady = (deleted?: Deletion): Promise<boolean> =>
  until('every function is ready', async () => {
    const { namespace: where, selector } = places.functions;
    const list = await kubectl('-n', where, 'get', 'deployment', '-l', selector, '-o', 'json');
    const { items } = JSON.parse(list) as {
      items: { spec: { replicas: number }; status: { readyReplicas?: number } }[];
    };
    const pods = await podsOf(places.functions);
    return (
      items.every(({ spec, status }) => (status.readyReplicas ?? 0) >= spec.replicas) &&
      !pods.some(({ metadata }) => deleted?.uids.has(metadata.uid))
    );
  });
