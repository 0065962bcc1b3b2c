import { createHook } from 'node:async_hooks';

/** Counts the password hashes that are begun while `work` goes on, and those that are begun when it has just been called. */
export async function countingHashes<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; atOnce: number; begun: number }> {
  let begun = 0;
  // what argon2 hands to libuv's pool; its binding gives that work no name
  const hook = createHook({ init: (_id, type) => void (type === 'undefined' && (begun += 1)) }).enable();
  try {
    const done = work();
    const atOnce = begun;
    return { result: await done, atOnce, begun };
  } finally {
    hook.disable();
  }
}
