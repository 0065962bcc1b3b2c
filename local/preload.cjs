// Loaded before anything else, by every command of package.json.
const { enableCompileCache } = require('node:module');

// an older Node reports its version instead of failing on the first .ts file
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(
    `The shop needs Node 24.12 or newer, and this is ${process.versions.node}. ` +
      'On Linux "npm ci" installs one; elsewhere install Node 24 from nodejs.org.\n',
  );
  process.exit(1);
}
// Saves parsing at every start but the first; the type stripper (17 MB) is not even loaded. Children get the path of
// the cache from their environment; an image sets it.
const { directory } = enableCompileCache();
if (directory) process.env.NODE_COMPILE_CACHE ??= directory;
