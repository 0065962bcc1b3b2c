import { createHook } from 'node:async_hooks';

/** Counts the password hashes that `work` starts: `begun` until it resolves, `atOnce` synchronously with the call. */
export async function countingHashes<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; atOnce: number; begun: number }> {
  let begun = 0;
  // the work that argon2 hands to libuv's pool, which its binding leaves unnamed
  const hook = createHook({ init: (_id, type) => void (type === 'undefined' && (begun += 1)) }).enable();
  try {
    const done = work();
    const atOnce = begun;
    return { result: await done, atOnce, begun };
  } finally {
    hook.disable();
  }
}
