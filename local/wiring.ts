import type { Faults } from '#local/broker/faults.ts';

/** How the functions of a local shop reach each other. Their other settings are already in the environment. */
export interface Wiring {
  port: number;
  brokerPort: number;
  /** Processes of each function, unless all functions are in one process. */
  replicas: number;
  faults: Faults | undefined;
  /** The database URL of a role (database/roles.ts). */
  databaseUrlOf: (role: string) => string;
  /** Called when a process has exited unexpectedly and is restarted. */
  onRestart: (name: string) => void;
}

/** The functions and the broker of a local shop. */
export interface Running {
  /** Does what PingSource does on a cluster, every minute. */
  sweep(): Promise<void>;
  /** Replaces the functions, a few at a time; each finishes what is in flight, and its successor gets the current environment. */
  replaceFunctions(): Promise<void>;
  /** Finishes what is in flight and stops. */
  stop(): Promise<void>;
}
