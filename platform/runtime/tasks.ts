import { once } from 'node:events';
import { log } from '#platform/telemetry/log.ts';

/** The work of a function outside its requests. */
export interface Tasks {
  /** Lets work go on after the response. Its failure is logged; a clean stop waits for it. */
  run(work: Promise<unknown>, what: string): void;
  /** Registers work that runs from `start` on, again `everyMs` after each end. */
  every(everyMs: number, what: string, work: () => Promise<unknown>): void;
  /** Starts what is registered. */
  start(): void;
  /** Stops what is repeated, and waits for its current runs. */
  stop(): Promise<void>;
  /** Waits for the work that `run` was given, up to `timeoutMs`. */
  done(timeoutMs: number): Promise<void>;
}

export function createTasks(): Tasks {
  const running = new Set<Promise<void>>();
  const repeated: (() => () => Promise<void>)[] = [];
  let stops: (() => Promise<void>)[] = [];
  return {
    run(work, what) {
      const done = work.then(
        () => undefined,
        (error: unknown) => log.warn({ err: error }, `${what} failed`),
      );
      running.add(done);
      void done.then(() => running.delete(done));
    },
    every: (everyMs, what, work) => void repeated.push(() => repeat(everyMs, what, work)),
    start() {
      stops = repeated.map((start) => start());
    },
    async stop() {
      await Promise.all(stops.splice(0).map((stop) => stop()));
    },
    async done(timeoutMs) {
      const timeUp = new AbortController();
      const timer = setTimeout(() => timeUp.abort(), timeoutMs);
      const aborted = once(timeUp.signal, 'abort');
      while (running.size > 0 && !timeUp.signal.aborted) await Promise.race([Promise.all(running), aborted]);
      clearTimeout(timer);
    },
  };
}

/** Runs work now, and again `everyMs` after each end; the returned function stops it and waits for the current run. */
export function repeat(everyMs: number, what: string, work: () => Promise<unknown>): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let current: Promise<void> = Promise.resolve();
  const turn = () => {
    current = work().then(
      () => undefined,
      (error: unknown) => log.warn({ err: error }, `${what} failed`),
    );
    void current.then(() => {
      if (!stopped) timer = setTimeout(turn, everyMs);
    });
  };
  turn();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await current;
  };
}
