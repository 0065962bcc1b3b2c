import { once } from 'node:events';
import { createServer } from 'node:net';

/** Throws if one of these ports cannot be opened; `ports` maps the names of settings to ports. */
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
    return `Port ${port} (${setting}) is in use. Stop the program that uses it, or set ${setting} to another port.`;
  if (code === 'EACCES')
    return `The current user may not listen on port ${port} (${setting}). Set ${setting} to a port above 1023.`;
  return `Port ${port} (${setting}) cannot be used: ${(error as Error).message}.`;
}

/** An error as one sentence for the operator. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ECONNREFUSED') return `The database does not respond: ${message || 'connection refused'}.`;
  return message ?? String(error);
}
