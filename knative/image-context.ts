// image-context.ts FOLDER TARGET [FROM]: copies the build context of an image from FOLDER to TARGET, and prints the
// image's tag: a hash of the files and the base image, so that a second start builds nothing. FROM replaces the base
// image in the Dockerfile. .dockerignore lists the files; without one, all are copied.
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [folder = '.', target = '', from = ''] = process.argv.slice(2);
const ignore = path.join(folder, '.dockerignore');
const listed = existsSync(ignore) ? readFileSync(ignore, 'utf8').split('\n') : ['!*'];
const wanted = listed.flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
const unwanted = listed.filter((line) => line.startsWith('**/'));
const files = [
  ...new Set(['Dockerfile', ...wanted.flatMap((name) => globSync([name, `${name}/**/*`], { cwd: folder }))]),
]
  .filter((file) => statSync(path.join(folder, file)).isFile())
  .filter((file) => !unwanted.some((pattern) => path.matchesGlob(file, pattern)))
  // func.yaml affects the deployment, not the image
  .filter((file) => path.basename(file) !== 'func.yaml')
  .toSorted();
const hash = createHash('sha256');
for (const file of files) {
  const dockerfile = file === 'Dockerfile' && from !== '';
  const text = readFileSync(path.join(folder, file));
  const content = dockerfile ? String(text).replace(/^ARG NODE_IMAGE=.*$/m, `ARG NODE_IMAGE=${from}`) : text;
  hash.update(`${file}\0${content.length}\0`).update(content);
  mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
  writeFileSync(path.join(target, file), content);
}
process.stdout.write(`${hash.digest('hex').slice(0, 16)}\n`);
