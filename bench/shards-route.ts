import { createHash } from 'node:crypto';

/** Customers are assigned to buckets for good, and buckets to shards: a new shard takes over whole buckets. */
const buckets = 256;

/** The shard of a customer. By a hash, because ids begin with their time: new customers would all have the same shard. */
export const shardOf = (userId: string, shards: number): number =>
  (createHash('sha256').update(userId).digest().readUInt32BE() % buckets) % shards;

/** The customers of each shard. */
export const byShard = (userIds: string[], shards: number): string[][] =>
  Array.from({ length: shards }, (_, shard) => userIds.filter((id) => shardOf(id, shards) === shard));
