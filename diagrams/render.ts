import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { withMigratedDatabase } from '#database/scratch.ts';
import { functionNames } from '#local/functions.ts';
import { clusterSource, readDeployed, readKnative } from './cluster.ts';
import { draw } from './d2.ts';
import { databaseSource, readTables } from './database.ts';
import { flowSource } from './flow.ts';
import { readTopology } from '#events/topology/topology.ts';
import { compactRows, sequenceSource } from './sequence.ts';
import { statesSource } from './states.ts';

/*
 * npm run diagrams              writes the pictures and their sources
 * npm run diagrams -- --check   names the committed ones that are stale, and exits with 1
 */
const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    folder: { type: 'string', default: import.meta.dirname },
  },
});

const { broker, triggers, hops } = await readTopology();
const sinks = [broker, ...triggers].flatMap(({ delivery }) => delivery.deadLetterSink ?? []);

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = {
  cluster: clusterSource(readDeployed(), readKnative(root)),
  flow: flowSource({ hops, deadLetterSinks: [...new Set(sinks)], functions: functionNames }),
  sequence: sequenceSource(hops),
  states: statesSource(hops),
  database: databaseSource(await withMigratedDatabase(readTables)),
};
for (const [name, source] of Object.entries(sources)) {
  await writeOrCheck(`${name}.d2`, source);
  await writeOrCheck(`${name}.svg`, await draw(source, name === 'sequence' ? compactRows : undefined));
}
process.exit();

async function writeOrCheck(name: string, text: string): Promise<void> {
  const file = new URL(name, pathToFileURL(`${values.folder}/`));
  if (!values.check) return writeFile(file, text);
  if ((await readFile(file, 'utf8').catch(() => '')) === text) return;
  process.stderr.write(`diagrams/${name} is stale: run npm run diagrams and commit it.\n`);
  process.exitCode = 1;
}
