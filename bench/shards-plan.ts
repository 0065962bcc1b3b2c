import type { Pace } from './shards-measure.ts';

/** How many shards are compared. */
export const counts = [1, 2, 4];

const connections = 32;
/** Orders per second and shard; in all, it is as many as the largest number of shards gets together. */
const perShard = 100;
export const inAll = perShard * Math.max(...counts);

/** The loads: the same in all, or the same on each shard. A closed loop makes large batches, a low rate small ones. */
export const tables: { title: string; at: (shards: number) => Pace }[] = [
  { title: `${connections} connections in all`, at: () => ({ connections }) },
  { title: `${connections} connections a shard`, at: (shards) => ({ connections: connections * shards }) },
  { title: `${inAll} orders/s in all`, at: () => ({ perSecond: inAll }) },
  { title: `${perShard} orders/s a shard`, at: (shards) => ({ perSecond: perShard * shards }) },
];

export const paceOf = (pace: Pace): string =>
  'connections' in pace ? `${pace.connections} connections` : `${pace.perSecond}/s`;

/** The runs of a number of shards; those of two tables that are the same are measured once. */
export const pacesOf = (shards: number): Pace[] => [
  ...new Map(tables.map(({ at }) => [paceOf(at(shards)), at(shards)])).values(),
];
