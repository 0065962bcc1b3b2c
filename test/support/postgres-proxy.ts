import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A floating address of Postgres, whose network a test breaks. */
export interface PostgresProxy {
  port: number;
  /** The URL of a database by this address. */
  urlOf(databaseUrl: string): string;
  /** Leads new connections to the server on this port; the open ones stay. */
  lead(port: number): void;
  /** Closes all connections. */
  cut(): void;
  /** Forwards nothing more on the open connections, and closes none: their server has vanished. */
  freeze(): void;
  /** Cuts the next connections that send this text when the server has responded, instead of forwarding the response. */
  dropResponses(text: string, times?: number): void;
  /** How many responses were dropped. */
  dropped(): number;
  close(): Promise<void>;
}

// the end of a response, outside a transaction: ReadyForQuery, idle
const ready = Buffer.from('Z\0\0\0\x05I', 'latin1');

/** Starts a proxy on the loopback that leads to the server on this port. */
export async function startPostgresProxy(to: number): Promise<PostgresProxy> {
  let target = to;
  let drop = { text: '', left: 0 };
  let dropped = 0;
  const open = new Set<{ client: Socket; server: Socket; isFrozen: boolean }>();

  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    const pair = { client, server, isFrozen: false };
    let isDropping = false;
    open.add(pair);
    const end = () => {
      open.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', () => !pair.isFrozen && end());
    client.on('data', (data) => {
      if (pair.isFrozen) return;
      if (drop.left > 0 && data.includes(drop.text)) {
        drop.left -= 1;
        isDropping = true;
      }
      server.write(data);
    });
    server.on('data', (data) => {
      if (pair.isFrozen) return;
      if (!isDropping) {
        client.write(data);
      } else if (data.subarray(-ready.length).equals(ready)) {
        dropped += 1;
        end();
      }
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const cut = () => {
    for (const { client, server } of open) {
      client.destroy();
      server.destroy();
    }
    open.clear();
  };
  return {
    port,
    urlOf: (databaseUrl) => {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return url.href;
    },
    lead: (other) => void (target = other),
    cut,
    freeze: () => open.forEach((pair) => (pair.isFrozen = true)),
    dropResponses: (text, times = 1) => void (drop = { text, left: times }),
    dropped: () => dropped,
    close: async () => {
      cut();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
