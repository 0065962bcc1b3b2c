import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A separate process of the benchmark, so that its CPU time is measured apart from the shop's. */
export interface Worker<Request, Response> {
  /** One request at a time. Rejects if it fails or the process exits. */
  call(request: Request): Promise<Response>;
  end(): void;
}

type Outcome = { response: unknown } | { failure: string };

// a full garbage collection occupies both cores for 20 ms, which orders would wait for
const largerHeap = ['--max-semi-space-size=16', '--initial-heap-size=1024'];

/** Starts a file of this folder as a worker, which exits with this process. */
export function startWorker<Request extends object, Response>(
  file: string,
  env: Record<string, string> = {},
): Worker<Request, Response> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
    execArgv: largerHeap,
    env: { ...process.env, ...env },
    serialization: 'advanced',
  });
  const exited = once(child, 'exit').then((): Outcome[] => [{ failure: 'the process exited' }]);
  return {
    call: async (request) => {
      if (child.connected) child.send(request);
      const [outcome] = (await Promise.race([once(child, 'message'), exited])) as [Outcome];
      if ('failure' in outcome) throw new Error(`${file}: ${outcome.failure}`);
      return outcome.response as Response;
    },
    end: () => {
      if (child.connected) child.disconnect();
    },
  };
}

/** The worker's side: serves requests until the benchmark disconnects. */
export function serveRequests<Request, Response>(handle: (request: Request) => Promise<Response>): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (request) => {
    handle(request as Request).then(
      (response) => process.send?.({ response } satisfies Outcome),
      (error: unknown) => process.send?.({ failure: error instanceof Error ? error.message : String(error) }),
    );
  });
}
