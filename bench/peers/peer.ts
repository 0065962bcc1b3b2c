/** Where a peer stores its data. */
export interface PeerStorage {
  /** A database with the tables and accounts of orders.ts. */
  databaseUrl: string;
  /** A folder for the files of a broker or engine; the same after a restart. */
  dataDir: string;
}

/** A system that processes the same orders as the shop, in its own process (serve.ts). */
export interface Peer {
  /** Serves `POST /v1/orders`: 202 with the id of the order once it is durable. */
  url: string;
  stop(): Promise<void>;
}

/** What a file in systems/ exports. Throws `Unavailable` where the system cannot run. */
export type StartPeer = (storage: PeerStorage) => Promise<Peer>;

/** Orders processed at a time, and database connections for them: as many as the load has. */
export const concurrency = 32;
