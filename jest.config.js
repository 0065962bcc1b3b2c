export default {
  // Node runs TypeScript by itself: nothing is compiled, the tests run the files that the image runs
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  testMatch: ['**/*.test.ts'],
  // tiers of their own: npm run test:system, npm run test:faults
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/(system|faults)/'],
  globalSetup: './test/support/global-setup.ts',
  globalTeardown: './test/support/global-teardown.ts',
  // after the framework: it has to know whose test this is
  setupFilesAfterEnv: ['./test/support/environment.ts'],
  // most files wait for Postgres, timers or a child process rather than compute
  maxWorkers: '100%',
  reporters: ['default', './test/support/count-reporter.ts'],
  testTimeout: 60_000,
  coverageProvider: 'v8',
  collectCoverageFrom: ['functions/**/*.ts', 'platform/**/*.ts', 'api/**/*.ts', 'events/**/*.ts', '!**/*.test.ts'],
};
