import type { Outcome } from '../orders.ts';
import type { Sent } from '../load.ts';

/** A system that is measured, the shop or a peer. One runs at a time. */
export interface System {
  name: string;
  /** Starts it on a new database that contains the customers with their accounts. */
  start(customers: string[]): Promise<RunningSystem>;
}

export interface RunningSystem {
  /** The target of the load generator. */
  target: { url: string; withoutTokens?: boolean };
  /** Waits until all orders so far are settled and notified; returns the times of the given ones. */
  completed(sent: Sent): Promise<Pick<Outcome, 'sentAt' | 'notifiedAt'>[]>;
  /** Throws if an order was settled twice or not at all, or if a balance differs from the ledger. */
  check(): Promise<void>;
  /** kill -9 of all its processes, then a new start on the same data. */
  killAndRestart(): Promise<void>;
  /** How many of these orders are not stored, and how many are not notified. */
  missing(accepted: string[]): Promise<Missing>;
  stop(): Promise<void>;
}

export interface Missing {
  lost: number;
  stuck: number;
}

/** Thrown when this machine lacks what a system needs; one sentence. */
export class Unavailable extends Error {}
