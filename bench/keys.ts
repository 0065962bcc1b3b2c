import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { localSecrets } from '#local/secrets.ts';

// Sets the keys that sign the customers' tokens, and that the test support passes to each shop. Imported before any
// module that reads these settings.
const folder = mkdtempSync(path.join(tmpdir(), 'shop-bench-'));
const { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS } = localSecrets(folder);
rmSync(folder, { recursive: true });
Object.assign(process.env, { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS });
