import { Problem } from '#platform/http/problem.ts';

interface Bounds {
  /** How many run at once. */
  atOnce: number;
  /** How many may wait for their turn; the next one is refused. */
  maxWaiting: number;
}

interface Lane extends Bounds {
  running: number;
  waiting: (() => void)[];
}

/**
 * Bounds costly work: up to `atOnce` pieces run at once, each in a lane with its own bounds. A slot that becomes free goes to
 * the lanes in turn, so that no lane waits for the length of another one's queue. The returned function runs a piece of work
 * when it is its turn, and throws `unavailable` when too many wait in its lane.
 */
export function bounded<Name extends string>(atOnce: number, bounds: Record<Name, Bounds>) {
  const lanes = Object.fromEntries(
    Object.entries<Bounds>(bounds).map(([name, its]) => [name, { ...its, running: 0, waiting: [] }]),
  ) as unknown as Record<Name, Lane>;
  const turns: Lane[] = Object.values(lanes);
  let running = 0;

  const hasSlot = (lane: Lane) => running < atOnce && lane.running < lane.atOnce;

  function begin(lane: Lane): void {
    running += 1;
    lane.running += 1;
  }

  function startNext(): void {
    const next = turns.findIndex((lane) => lane.waiting.length > 0 && hasSlot(lane));
    if (next === -1) return;
    const [lane] = turns.splice(next, 1) as [Lane];
    turns.push(lane);
    begin(lane);
    lane.waiting.shift()?.();
  }

  return async <Result>(name: Name, work: () => Promise<Result>): Promise<Result> => {
    const lane = lanes[name];
    if (hasSlot(lane)) begin(lane);
    else if (lane.waiting.length < lane.maxWaiting) await new Promise<void>((resolve) => lane.waiting.push(resolve));
    else throw new Problem('unavailable', 'Too many requests of this kind are waiting.', { retryAfterSeconds: 1 });
    try {
      return await work();
    } finally {
      running -= 1;
      lane.running -= 1;
      startNext();
    }
  };
}
