import { setTimeout as wait } from 'node:timers/promises';

/**
 * A statement that was sent and whose response never came: the connection was lost, or the server was silent for too
 * long. It may have committed, or may still do so: a commit that waits for a synchronous standby outlives its client.
 */
export class LostStatement extends Error {
  override name = 'LostStatement';
  /** Whether the server was silent until `query_timeout`, rather than that the connection was closed. */
  readonly isTimeout: boolean;

  constructor(statement: string, cause: Error) {
    super(`The response of ${statement} was lost: it may have committed.`, { cause });
    this.isTimeout = cause.message === 'Query read timeout';
  }
}

/**
 * Runs what decides once – it may run again, and then finds what the first run has committed. If the connection is lost,
 * it is run once more, a second later and on another connection. Not after a timeout: its caller has waited long enough.
 */
export async function onceMoreIfLost<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof LostStatement) || error.isTimeout) throw error;
    await wait(1_000);
    return run();
  }
}
