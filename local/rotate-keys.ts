// npm run keys -- accept | sign | retire: one step in the rotation of a local shop's keys; see docs/operations.md.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isLastStep, repeatNotice, rotated, steps, type Step } from '#local/key-rotation.ts';
import { runningShop } from '#local/lock.ts';
import { localSecrets, storeSecrets } from '#local/secrets.ts';

const dataDir = path.resolve(process.env['DATA_DIR'] ?? '.data');
const step = process.argv[2] as Step;
try {
  if (!steps.includes(step)) throw new Error(`Which step? npm run keys -- ${steps.join(' | ')}`);
  if (!existsSync(path.join(dataDir, 'secrets.json'))) throw new Error(`There is no shop in ${dataDir} (DATA_DIR).`);
  const secrets = localSecrets(dataDir);
  const { NEXT_TOKEN_PRIVATE_KEY: _, ...others } = secrets;
  if (isLastStep(secrets, step)) process.stdout.write(`${repeatNotice(step)}\n`);
  storeSecrets(dataDir, { ...others, ...rotated(secrets, step) });
  process.stdout.write(`${whatNow()}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

/** Makes a running shop load the keys, and returns what remains to be done. */
function whatNow(): string {
  const shop = runningShop(dataDir);
  if (!shop) return 'Done; the next start has these keys.';
  if (!shop.processes) return 'Done; restart the shop, then run the next step.';
  process.kill(shop.pid, 'SIGUSR2');
  return 'The functions are being restarted. Run the next step when the shop logs that every function has the keys.';
}
