// Loaded before anything else, so that an older Node says what is wrong instead of failing on the first .ts file.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(
    `The shop needs Node 24.12 or newer, and this is ${process.versions.node}. ` +
      'On Linux "npm ci" brings its own; elsewhere install Node 24 from nodejs.org.\n',
  );
  process.exit(1);
}
