import shop from '../../../../jest.config.js';

// the tests of single modules, without a database: each of them runs hundreds of times
export default {
  ...shop,
  globalSetup: undefined,
  globalTeardown: undefined,
  reporters: ['default'],
  rootDir: '../../../..',
  testMatch: ['batch', 'event', 'money', 'on-event', 'signature'].map((name) => `<rootDir>/platform/${name}.test.ts`),
  bail: true,
};
