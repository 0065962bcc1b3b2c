import type { Faults } from '#local/broker/faults.ts';

/** Where the functions of a local shop find each other. Their other settings are in the environment already. */
export interface Wiring {
  port: number;
  brokerPort: number;
  /** How many processes each function has, if it has its own. */
  replicas: number;
  faults: Faults | undefined;
  /** The database's address for a role (database/roles.ts). */
  databaseUrlOf: (role: string) => string;
  /** Called when a process is replaced. */
  onRestart: (name: string) => void;
}

/** The functions and the broker of a local shop. */
export interface Running {
  /** Does what PingSource does on a cluster, every minute. */
  sweep(): Promise<void>;
  /** Replaces the functions, a few at a time; each finishes what is in flight, and its replacement has the current environment. */
  replaceFunctions(): Promise<void>;
  /** Finishes what is in flight and ends. */
  stop(): Promise<void>;
}
