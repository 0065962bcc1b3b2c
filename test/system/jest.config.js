import shop from '../../jest.config.js';

// with SHOP_MODE=processes; one after the other: they start whole shops and measure time
export default {
  ...shop,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/{system,flow}/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
