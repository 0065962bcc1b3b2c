import type { Load, Sent } from '../load.ts';
import type { Latency } from '../statistics.ts';
import type { Worker } from '../worker.ts';

export type Generator = Worker<Load, Sent>;

/** A system that is measured, the shop or a peer. One runs at a time. */
export interface System {
  name: string;
  /** Starts it on an empty database that then has the customers with their accounts. */
  start(customers: string[]): Promise<Running>;
}

export interface Running {
  guarantees: string;
  /** What `begin` of the load generator needs to send orders of this system's customers. */
  begin: { url: string; withoutTokens?: boolean };
  /** Waits until every order so far is decided and its notification committed; gives when that was for these. */
  completed(sent: Sent): Promise<Told[]>;
  /** Throws if an order was decided twice or not at all, or if a balance is not what the ledger says. */
  check(): Promise<void>;
  /** kill -9 of everything it consists of, then a new start on the same data. */
  killAndRestart(): Promise<void>;
  /** Of these orders, how many it does not know, and how many it has not decided. */
  missing(accepted: string[]): Promise<Missing>;
  stop(): Promise<void>;
}

export interface Missing {
  lost: number;
  stuck: number;
}

/** When an order was to be sent, and when its notification was written: epoch ms. */
export interface Told {
  sentAt: number;
  notifiedAt: number;
}

/** What a system reached in one turn. */
export interface Turn {
  ordersPerSecond: number;
  endToEnd: Latency;
}

/** Throws if a load met anything but a 202. */
export function refuseRefusals({ refused }: Sent): void {
  if (Object.keys(refused).length > 0) throw new Error(`Orders were refused: ${JSON.stringify(refused)}`);
}
