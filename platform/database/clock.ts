/**
 * The database's clock, in ms since 1970. Tokens and times of events are compared by several processes, whose own clocks
 * may differ by an hour; the database has one. Read with each new connection, and carried on by this process's monotonic
 * clock, which no one sets. Before the first connection: this process's own.
 */
export const now = (): number =>
  sample ? Math.round(sample.epochMs + performance.now() - sample.monotonicMs) : Date.now();

interface Sample {
  epochMs: number;
  /** When it was read, by `performance.now()`. */
  monotonicMs: number;
}

let sample: Sample | undefined;

/** Takes over what the database says its time is; `monotonicMs` is when it was read, by `performance.now()`. */
export function setClock(time: Date, monotonicMs: number): void {
  sample = { epochMs: time.getTime(), monotonicMs };
}
