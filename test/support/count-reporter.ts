import type { AggregatedResult } from '@jest/reporters';

/** Ends a run with the line `N passed, N failed`; a file that could not be run counts as one failure. */
export default class CountReporter {
  onRunComplete(_contexts: unknown, results: AggregatedResult): void {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = results;
    // at exit, so that it follows the summary of Jest's own reporter
    process.on('exit', () => {
      process.stdout.write(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed\n`);
    });
  }
}
