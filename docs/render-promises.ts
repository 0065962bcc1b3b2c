import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promises } from './promises.ts';

// npm run promises: writes docs/promises.md from docs/promises.ts and the marks above the tests. Throws for a mark without a
// promise and a promise without a test.

/** A test that proves promises: its file, its title as it is written there, and the names of the promises. */
interface Proof {
  file: string;
  title: string;
  names: string[];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const target = path.join(root, 'docs/promises.md');

const mark =
  /^[^\S\n]*\/\/ promise: (?<names>[\w, -]+)\n(?<code>[\s\S]*?\(\s*'(?<title>[^'\n]+)',\s*(?:async )?(?:\(|\w+\b))/gm;

/** The marked tests of a TypeScript file. The title is the first string that a callback follows. */
function proofsIn(file: string): Proof[] {
  const found = readFileSync(path.join(root, file), 'utf8').matchAll(mark);
  return Array.from(found, ({ groups: { names = '', title = '' } = {} }) => ({
    file,
    title,
    names: names.split(', '),
  }));
}

interface Item {
  name: string;
  description?: string;
  item?: Item[];
}

/** The marked requests of a Postman collection. */
function proofsOfCollection(file: string): Proof[] {
  const all = ({ item = [], ...own }: Item): Item[] => [own, ...item.flatMap(all)];
  const collection = JSON.parse(readFileSync(path.join(root, file), 'utf8')) as Item;
  return all(collection).flatMap(({ name: title, description = '' }) => {
    const names = /^promise: (.+)$/m.exec(description)?.[1]?.split(', ');
    return names ? [{ file, title, names }] : [];
  });
}

/** The page of all promises, each with its tests. */
export function renderPromises(): string {
  const files = globSync('**/*.ts', { cwd: root, exclude: (name) => name === 'node_modules' || name === '.data' });
  const proofs = [...proofsOfCollection('postman/shop.postman_collection.json'), ...files.toSorted().flatMap(proofsIn)];
  const known = new Set(Object.values(promises).flatMap((section) => Object.keys(section)));
  const unknown = proofs.flatMap(({ file, names }) =>
    names.filter((name) => !known.has(name)).map((name) => `${file}: ${name}`),
  );
  if (unknown.length > 0) throw new Error(`Marks of no promise in docs/promises.ts:\n${unknown.join('\n')}`);
  const sections = Object.entries(promises).map(([section, sentences]) => {
    const entries = Object.entries(sentences).map(([name, sentence]) => {
      const tests = proofs.filter(({ names }) => names.includes(name));
      if (tests.length === 0) throw new Error(`No test is marked with "promise: ${name}".`);
      return [`- **${sentence}**`, ...tests.map(({ file, title }) => `  - \`${file}\`: ${title}`)].join('\n');
    });
    return `## ${section}\n\n${entries.join('\n')}\n`;
  });
  return `${head}\n${sections.join('\n')}`;
}

const head = `# What is promised, and the tests that prove it

Written by \`npm run promises\` from \`docs/promises.ts\` and the marks above the tests. Tests in \`test/flow/\` run against the whole shop; those of a function against a real Postgres under the role of that function; those of the Postman collection by Newman, on this machine and through Kourier.
`;

if (import.meta.main) writeFileSync(target, renderPromises());
