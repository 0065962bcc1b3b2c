import { rmSync } from 'node:fs';

export default async function globalTeardown(): Promise<void> {
  const { testPostgres } = globalThis;
  if (!testPostgres) return;
  await testPostgres.server.stop();
  rmSync(testPostgres.folder, { recursive: true, force: true });
}
