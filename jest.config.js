export default {
  // Node runs TypeScript directly: nothing is compiled, and the tests run the files of the image
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  testMatch: ['**/*.test.ts'],
  // tiers of their own: npm run test:system, npm run test:faults
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/(system|faults)/'],
  globalSetup: './test/support/global-setup.ts',
  globalTeardown: './test/support/global-teardown.ts',
  // after the framework, because it needs the path of the test file
  setupFilesAfterEnv: ['./test/support/environment.ts'],
  // most tests wait for Postgres, a timer or a process
  maxWorkers: '100%',
  reporters: ['default', './test/support/count-reporter.ts'],
  testTimeout: 60_000,
  coverageProvider: 'v8',
  collectCoverageFrom: ['functions/**/*.ts', 'platform/**/*.ts', 'api/**/*.ts', 'events/**/*.ts', '!**/*.test.ts'],
};
