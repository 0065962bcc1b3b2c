import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

// A pooler with a single session of the server: the first client logs in to the server itself; each later one gets the same
// session when the one before has closed its connection.

interface SharingPooler {
  /** The URL of a database by this pooler. */
  urlOf(databaseUrl: string): string;
  close(): Promise<void>;
}

const authenticationOk = Buffer.from('R\0\0\0\x08\0\0\0\0', 'latin1');
const readyForQuery = Buffer.from('Z\0\0\0\x05I', 'latin1');
const terminate = Buffer.from('X\0\0\0\x04', 'latin1');
const discardAll = Buffer.from('Q\0\0\0\x10discard all\0', 'latin1');

/** Starts a pooler for the server on this port. `resets`: with `discard all` between two clients, as in session mode. */
export async function startSharingPooler(to: number, { resets }: { resets: boolean }): Promise<SharingPooler> {
  let server: Socket | undefined;
  let isFree: Promise<unknown> = Promise.resolve();

  async function serve(client: Socket): Promise<void> {
    const startup = await nextData(client);
    if (server) {
      await isFree;
      client.write(Buffer.concat([authenticationOk, readyForQuery]));
    } else {
      server = connect(to, '127.0.0.1');
      server.write(startup);
    }
    const session = server;
    const forward = (data: Buffer) => client.write(data);
    session.on('data', forward);
    client.on('data', (data) => {
      if (!data.equals(terminate)) {
        session.write(data);
        return;
      }
      session.off('data', forward);
      client.end();
      if (resets) {
        session.write(discardAll);
        isFree = nextData(session);
      }
    });
  }

  const pooler = createServer((client) => {
    client.on('error', () => undefined);
    void serve(client);
  });
  pooler.listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  const { port } = pooler.address() as AddressInfo;
  return {
    urlOf: (databaseUrl) => {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return url.href;
    },
    close: async () => {
      server?.destroy();
      pooler.close();
      await once(pooler, 'close');
    },
  };
}

async function nextData(socket: Socket): Promise<Buffer> {
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data;
}
