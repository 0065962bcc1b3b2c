import { once } from 'node:events';
import { log } from '#platform/telemetry/log.ts';

/** Work that a room does beside its requests; started with the process, gives what stops it. */
export type Background = () => () => Promise<void>;

const running = new Set<Promise<void>>();

/** Lets work go on after the answer. Its failure is logged; a clean stop waits for it. */
export function inBackground(work: Promise<unknown>, what: string): void {
  const done = work.then(
    () => undefined,
    (error: unknown) => log.warn({ err: error }, `${what} failed`),
  );
  running.add(done);
  void done.then(() => running.delete(done));
}

/** Waits for the work in the background, at most so long. */
export async function backgroundDone(timeoutMs: number): Promise<void> {
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(), timeoutMs);
  const aborted = once(timeUp.signal, 'abort');
  while (running.size > 0 && !timeUp.signal.aborted) await Promise.race([Promise.all(running), aborted]);
  clearTimeout(timer);
}

/** Does something at once and then again and again, `everyMs` after the last one ended. */
export function repeat(everyMs: number, what: string, work: () => Promise<unknown>): Background {
  return () => {
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
  };
}
