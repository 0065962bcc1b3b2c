import shop from '../../../jest.config.js';

// the tests that must find a mutant belong to two tiers
export default {
  ...shop,
  rootDir: '../../..',
  testMatch: [
    ...['charge-account', 'create-order', 'refund-charge', 'settle-order'].map(
      (name) => `<rootDir>/functions/${name}/*.test.ts`,
    ),
    '<rootDir>/test/flow/*.test.ts',
    '<rootDir>/test/faults/{simulation,interleavings}.test.ts',
  ],
  testPathIgnorePatterns: ['/node_modules/'],
};
