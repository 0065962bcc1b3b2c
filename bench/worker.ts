import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the benchmark's own, so that its CPU time can be told apart from the shop's. */
export interface Worker<Request, Reply> {
  readonly pid: number;
  /** One question at a time. Rejects if it fails or the process ends. */
  ask(request: Request): Promise<Reply>;
  end(): void;
}

type Outcome = { reply: unknown } | { failure: string };

// who collects all of its memory takes both cores for 20 ms, which orders would wait for
const largerHeap = ['--max-semi-space-size=16', '--initial-heap-size=1024'];

/** Starts a file of this folder as a worker. It ends when this process does. */
export function startWorker<Request extends object, Reply>(
  file: string,
  env: Record<string, string> = {},
): Worker<Request, Reply> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
    execArgv: largerHeap,
    env: { ...process.env, ...env },
    serialization: 'advanced',
  });
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  return {
    pid: child.pid ?? 0,
    ask: (request) =>
      new Promise((resolve, reject) => {
        const gone = () => reject(new Error(`${file} has ended`));
        if (ended) {
          gone();
          return;
        }
        child.once('exit', gone);
        child.once('message', (outcome: Outcome) => {
          child.off('exit', gone);
          if ('failure' in outcome) reject(new Error(`${file}: ${outcome.failure}`));
          else resolve(outcome.reply as Reply);
        });
        child.send(request);
      }),
    end: () => {
      if (child.connected) child.disconnect();
    },
  };
}

/** The other side: answers questions until the benchmark lets go. */
export function benchmarkResponse<Request, Reply>(answer: (request: Request) => Promise<Reply>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (request) => {
    answer(request as Request).then(
      (reply) => process.send?.({ reply } satisfies Outcome),
      (error: unknown) => process.send?.({ failure: error instanceof Error ? error.message : String(error) }),
    );
  });
}
