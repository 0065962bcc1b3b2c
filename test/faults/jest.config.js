import shop from '../../jest.config.js';

// one after the other: each kills whole shops and waits for their recovery
export default {
  ...shop,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/faults/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
