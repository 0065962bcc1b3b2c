import { setTimeout as wait } from 'node:timers/promises';

/**
 * Gives back what only the start has needed, a sixth of a function's memory: V8 would keep it until it needs more.
 * Takes some 30 ms of the event loop, once; whoever woke this function has been answered by then.
 */
export async function releaseStartMemory(afterMs = 3_000): Promise<void> {
  await wait(afterMs, undefined, { ref: false });
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
}
