import { Absent, type Peer, type Start } from './peer.ts';

// The process of one peer: `node serve.ts <file in systems/> <database url> <data folder>`. It ends when its parent
// lets go of it, however the parent ends.

/** What it tells its parent, once. */
export type Word = Pick<Peer, 'url' | 'guarantees'> | { failure: string } | { absent: string };

const [name = '', databaseUrl = '', dataDir = ''] = process.argv.slice(2);
const tell = (word: Word) => process.send?.(word);

let peer: Peer | undefined;
process.once('disconnect', () => {
  setTimeout(() => process.exit(1), 15_000).unref();
  void (async () => {
    await peer?.stop();
    process.exit();
  })();
});

try {
  const { start } = (await import(`./systems/${name}.ts`)) as { start: Start };
  peer = await start({ databaseUrl, dataDir });
  tell({ url: peer.url, guarantees: peer.guarantees });
} catch (error) {
  if (error instanceof Absent) tell({ absent: error.message });
  else tell({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
