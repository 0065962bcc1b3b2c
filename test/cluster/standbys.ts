import { setTimeout as pause } from 'node:timers/promises';
import { until } from '#test/support/until.ts';
import { kubectl, namespace } from './client.ts';
import { deleteByForce, places, podsOf, readyAgain, type Deletion } from './pods.ts';
import { undoing } from './undo.ts';

// The operator stops the servers that this annotation of the Cluster names, and starts them again when it is removed.
const fence = (names: string[]) =>
  kubectl(
    '-n',
    namespace,
    'annotate',
    'clusters.postgresql.cnpg.io',
    'postgres',
    '--overwrite',
    names.length > 0 ? `cnpg.io/fencedInstances=${JSON.stringify(names)}` : 'cnpg.io/fencedInstances-',
  );

/** Longer than the shop waits for a statement: orders that hang get their 503 in the meantime. */
const aloneMs = 13_000;

/** A time without any synchronous standby. */
export interface Alone extends Deletion {
  /** When no standby ran any more. */
  from: number;
  /** When the standbys were let in again. */
  to: number;
}

/** Fences every standby, deletes the primary by force some seconds later, and lifts the fence. */
export async function loseStandbysAndPrimary(): Promise<Alone> {
  const standbys = (await podsOf(places.standbys)).map(({ metadata }) => metadata.name);
  const alone = await undoing(
    () => fence([]),
    async () => {
      await fence(standbys);
      await until('no standby runs', async () => (await Promise.all(standbys.map(isStopped))).every(Boolean));
      const from = Date.now();
      await pause(aloneMs);
      const deletion = await deleteByForce(places.primary);
      await pause(2_000);
      return { ...deletion, from, to: Date.now() };
    },
  );
  return alone;
}

/** Waits until every server is a ready one again. */
export async function allServersReady(): Promise<void> {
  const wanted = await kubectl(
    '-n',
    namespace,
    'get',
    'clusters.postgresql.cnpg.io',
    'postgres',
    '-o',
    'jsonpath={.spec.instances}',
  );
  await readyAgain(places.servers, Number(wanted), { deletedAt: 0, uids: new Set() }, 180_000);
}

/** Whether the server of a pod does not run; an error of kubectl says nothing about it. */
async function isStopped(pod: string): Promise<boolean> {
  const report = 'pg_isready -q; echo $?';
  const code = await kubectl('-n', namespace, 'exec', pod, '-c', 'postgres', '--', 'sh', '-c', report);
  return code.trim() === '2';
}
