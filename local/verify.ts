// npm run verify: asks a running shop to verify its invariants.
import { parseArgs } from 'node:util';
import { request } from 'undici';
import { z } from 'zod';
import { findTarget, type Target } from '#local/target.ts';

const help = `Verifies that the balances, transfers, orders, deposits and notifications of a running shop agree.

  npm run verify             the shop on this machine (DATA_DIR)
  npm run verify -- --help   this text

Settings (environment), for another shop: BASE_URL, HOST_HEADER, ADMIN_EMAIL, ADMIN_PASSWORD.
Exits with 0 if nothing differs, 1 if something does, 2 if the check could not run.
`;

const verification = z.object({
  balanced: z.boolean(),
  accounts: z.number(),
  transfers: z.number(),
  orders: z.number(),
  differences: z.array(z.object({ invariant: z.string(), subject: z.string(), detail: z.string() })),
});

/** Logs in as the administrator and verifies; throws one sentence if that fails. */
async function verify({ baseUrl, host, adminEmail, adminPassword }: Target): Promise<z.infer<typeof verification>> {
  // not fetch, which overrides the Host header
  const ask = async (path: string, headers: Record<string, string>, body?: object) => {
    const response = await request(`${baseUrl}/v1${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { ...headers, ...(host !== undefined && { host }), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      headersTimeout: 290_000,
    });
    const content = (await response.body.json()) as { detail?: string };
    if (response.statusCode >= 400) throw new Error(`${path} returned ${response.statusCode}: ${content.detail ?? ''}`);
    return content;
  };
  const session = await ask('/sessions', {}, { email: adminEmail, password: adminPassword });
  const { token } = z.object({ token: z.string() }).parse(session);
  return verification.parse(await ask('/admin/ledger/verify', { authorization: `Bearer ${token}` }));
}

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) process.stdout.write(help);
  else {
    const { balanced, accounts, transfers, orders, differences } = await verify(findTarget());
    for (const { invariant, subject, detail } of differences) {
      process.stdout.write(`${invariant}: ${subject} – ${detail}\n`);
    }
    const many = differences.length === 100 ? 'At least 100' : differences.length;
    const what = `${accounts} accounts, ${transfers} transfers and ${orders} orders`;
    process.stdout.write(balanced ? `Nothing differs in ${what}.\n` : `${many} differences in ${what}.\n`);
    process.exitCode = balanced ? 0 : 1;
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
