/** The most that the shop's mail catcher keeps (local/mail-catcher-main.ts). */
const keeps = 10_000;

/** Throws away what was caught so far. */
export async function emptyCatcher(url = ''): Promise<void> {
  await fetch(`${url}/api/email/all`, { method: 'DELETE', signal: AbortSignal.timeout(30_000) });
}

/** How many mails are in the catcher; undefined where it cannot tell, because it does not keep so many. */
export async function caughtMails(url = ''): Promise<number | undefined> {
  const answer = await fetch(`${url}/api/email/summary?limit=1`, { signal: AbortSignal.timeout(30_000) });
  const { storeTotal } = (await answer.json()) as { storeTotal: number };
  return storeTotal < keeps ? storeTotal : undefined;
}
