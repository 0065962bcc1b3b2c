import shop from '../../../../jest.config.js';

// the tests of single modules, without a database: each runs hundreds of times
export default {
  ...shop,
  globalSetup: undefined,
  globalTeardown: undefined,
  reporters: ['default'],
  rootDir: '../../../..',
  testMatch: ['database/batch', 'values/money', 'events/event', 'events/on-event', 'events/signature'].map(
    (name) => `<rootDir>/platform/${name}.test.ts`,
  ),
  testPathIgnorePatterns: ['/node_modules/'],
  bail: true,
};
