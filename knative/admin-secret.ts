// Reads the secret `admin` (`kubectl get -o json`) and prints it with ADMIN_EMAIL and ADMIN_PASSWORD from the
// environment, if set, for `kubectl replace -f -`. The job `migrate` then changes the administrator.
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { email } from '#platform/values/email.ts';
import { programSettings } from '#platform/runtime/settings.ts';
import { password } from '#platform/values/text.ts';

const { ADMIN_EMAIL, ADMIN_PASSWORD } = programSettings({
  ADMIN_EMAIL: z.preprocess(unlessEmpty, email.optional()),
  ADMIN_PASSWORD: z.preprocess(unlessEmpty, password.optional()),
});
const base64 = (value: string) => Buffer.from(value).toString('base64');

const secret = JSON.parse(await text(process.stdin)) as { data: Record<string, string> };
secret.data = {
  ...secret.data,
  ...(ADMIN_EMAIL && { email: base64(ADMIN_EMAIL) }),
  ...(ADMIN_PASSWORD && { password: base64(ADMIN_PASSWORD) }),
};
process.stdout.write(`${JSON.stringify(secret)}\n`);

function unlessEmpty(value: unknown): unknown {
  return value === '' ? undefined : value;
}
