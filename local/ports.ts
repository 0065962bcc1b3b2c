import { once } from 'node:events';
import { createServer } from 'node:net';

/** Checks that nothing listens on these ports yet; `ports` has them by the name of the setting. */
export async function checkPorts(ports: Record<string, number>): Promise<void> {
  for (const [setting, port] of Object.entries(ports)) {
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      throw new Error(portConflict(setting, port, error), { cause: error });
    }
    server.close();
  }
}

function portConflict(setting: string, port: number, error: unknown): string {
  const { code } = error as { code?: string };
  if (code === 'EADDRINUSE')
    return `Port ${port} (${setting}) is in use. End what uses it, or set ${setting} to another one.`;
  if (code === 'EACCES')
    return `There is no right to listen on port ${port} (${setting}). Set ${setting} to one above 1023.`;
  return `Port ${port} (${setting}) cannot be used: ${(error as Error).message}.`;
}

/** An error as one sentence for the terminal. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ECONNREFUSED') return `The database does not respond: ${message || 'connection refused'}.`;
  return message ?? String(error);
}
