/** Where a peer keeps what it has to keep. */
export interface Place {
  /** A database of its own, with the tables and accounts of orders.ts. */
  databaseUrl: string;
  /** A folder of its own for a broker's files; the same after a restart. */
  dataDir: string;
}

/** A system that takes the same orders as the shop, in a process of its own (serve.ts). */
export interface Peer {
  /** Takes `POST /v1/orders`: 202 with the order's id once it is durable. */
  url: string;
  /** What it promises and what it does not, in one sentence. */
  guarantees: string;
  stop(): Promise<void>;
}

/** What a peer needs and this machine has not: it is left out. One sentence. */
export class Absent extends Error {}

/** What a file in systems/ exports. Throws `Absent` where it cannot run. */
export type Start = (place: Place) => Promise<Peer>;

/** As many orders as are worked on at a time, and connections to the database for them: as many as the load has. */
export const concurrency = 32;
