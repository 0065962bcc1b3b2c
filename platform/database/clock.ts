/**
 * A clock that several processes share: the database's. Tokens and times of events are compared by several processes, whose
 * own clocks may differ by an hour.
 */
export interface Clock {
  /** Milliseconds since 1970. Before the first `set`: this process's own clock. */
  now(): number;
  /** Takes over a time that was read when `performance.now()` was `monotonicMs`; the monotonic clock, which nothing sets, carries it on. */
  set(time: Date, monotonicMs: number): void;
}

export function createClock(): Clock {
  let sample: { epochMs: number; monotonicMs: number } | undefined;
  return {
    now: () => (sample ? Math.round(sample.epochMs + performance.now() - sample.monotonicMs) : Date.now()),
    set: (time, monotonicMs) => {
      sample = { epochMs: time.getTime(), monotonicMs };
    },
  };
}
