import type { Load, Sent } from './load.ts';
import { startWorker, type Worker } from './worker.ts';

/** The process that sends orders. */
export type LoadGenerator = Worker<Load, Sent>;

export const startLoadGenerator = (): LoadGenerator => startWorker<Load, Sent>('load.ts');
