import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { localSecrets } from '#local/secrets.ts';

// Imported before what reads its settings: the keys of the shops that are measured, in which their customers' tokens
// are signed. The harness hands them to the shop.
const folder = mkdtempSync(path.join(tmpdir(), 'shop-bench-'));
const { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS } = localSecrets(folder);
rmSync(folder, { recursive: true });
Object.assign(process.env, { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS });
