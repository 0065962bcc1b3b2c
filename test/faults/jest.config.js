import shop from '../../jest.config.js';

// two at a time: a shop that is killed mostly waits for its recovery
export default {
  ...shop,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/faults/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 2,
};
