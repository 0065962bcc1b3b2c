export default { transform: {}, extensionsToTreatAsEsm: ['.ts'], testEnvironment: 'node' };
