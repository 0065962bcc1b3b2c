import type { Peer, StartPeer } from './peer.ts';
import { Unavailable } from './system.ts';

// The process of one peer: `node serve.ts <file in systems/> <database url> <data folder>`. It exits when its parent
// disconnects or exits.

/** The one message to the parent. */
export type ServeMessage = { url: string } | { failure: string } | { unavailable: string };

const [name = '', databaseUrl = '', dataDir = ''] = process.argv.slice(2);
const send = (message: ServeMessage) => process.send?.(message);

let peer: Peer | undefined;
process.once('disconnect', () => {
  setTimeout(() => process.exit(1), 15_000).unref();
  void (async () => {
    await peer?.stop();
    process.exit();
  })();
});

try {
  const { start } = (await import(`./systems/${name}.ts`)) as { start: StartPeer };
  peer = await start({ databaseUrl, dataDir });
  send({ url: peer.url });
} catch (error) {
  if (error instanceof Unavailable) send({ unavailable: error.message });
  else send({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
