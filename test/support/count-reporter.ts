import type { AggregatedResult } from '@jest/reporters';

/** Ends a run with one plain line, `N passed, N failed`; a file that could not be run counts as a failure. */
export default class CountReporter {
  onRunComplete(_contexts: unknown, results: AggregatedResult): void {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = results;
    // after the summary of Jest's own reporter, which goes to the same terminal
    process.on('exit', () => {
      process.stdout.write(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed\n`);
    });
  }
}
