import { Problem } from '#platform/problem.ts';

interface Bounds {
  /** How many run at once. */
  atOnce: number;
  /** How many may wait for their turn; whoever comes then is turned away. */
  maxWaiting: number;
}

/** Bounds costly work: gives what runs it when it is its turn, and throws `unavailable` when too many wait already. */
export function bounded({ atOnce, maxWaiting }: Bounds) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (running < atOnce) running += 1;
    else if (waiting.length < maxWaiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new Problem('unavailable', 'Too many ask for this at the moment.', { retryAfterSeconds: 1 });
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
