import shop from '../../jest.config.js';

// one after the other: they start whole shops and measure time
export default {
  ...shop,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/{system,flow}/**/*.test.ts'],
  // these call the functions themselves, which is the same in every mode
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/flow/(cancel-races|order-costs|reconciliation)\\.'],
  maxWorkers: 1,
};
