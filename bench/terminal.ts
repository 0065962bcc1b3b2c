/** The terminal of a benchmark: results on standard output, progress on standard error, cleanup on Ctrl-C. */
export interface Terminal {
  print(text: string): void;
  /** Prints a line of progress; nothing once the benchmark is interrupted. */
  say(line: string): void;
  isInterrupted(): boolean;
}

/** Calls `stopAll` and exits with 130 when a signal interrupts the benchmark. */
export function openTerminal(stopAll: () => Promise<unknown>): Terminal {
  const began = performance.now();
  let interrupted = false;
  const say = (line: string) => {
    if (interrupted) return;
    process.stderr.write(`${((performance.now() - began) / 1_000).toFixed(0).padStart(4)} s  ${line}\n`);
  };
  const interrupt = async () => {
    if (interrupted) return;
    say('Interrupted: stopping all processes of the benchmark.');
    interrupted = true;
    await stopAll().catch(() => undefined);
    process.exit(130);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void interrupt());
  return { print: (text) => process.stdout.write(`${text}\n`), say, isInterrupted: () => interrupted };
}
