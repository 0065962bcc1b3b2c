import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { ask, kubectl, namespace, newCustomer } from './client.ts';

const watched = ['storefront', 'create-order'];

/** Checks that a second instance of the functions on the order path starts under load; returns how long it took. */
export async function scaleUnderLoad(): Promise<string> {
  const began = Date.now();
  const endAt = began + 180_000;
  const customers = await Promise.all(Array.from({ length: 8 }, newCustomer));
  let scaled = false;
  const body = { items: [{ sku: 'sticker', quantity: 1 }] };
  const ordering = Array.from({ length: 160 }, async (_, index) => {
    const token = customers[index % customers.length]?.token ?? '';
    while (!scaled && Date.now() < endAt) await ask('POST', '/orders', { token, key: uuidv7(), body });
  });
  const after: Record<string, number> = {};
  while (Object.keys(after).length < watched.length && Date.now() < endAt) {
    await pause(2_000);
    for (const name of watched) {
      const pods = await kubectl(
        '-n',
        namespace,
        'get',
        'pod',
        '-l',
        `serving.knative.dev/service=${name}`,
        '-o',
        'name',
      );
      if (pods.split('\n').filter(Boolean).length > 1) after[name] ??= Math.round((Date.now() - began) / 1_000);
    }
  }
  scaled = true;
  await Promise.all(ordering);
  const missing = watched.filter((name) => after[name] === undefined);
  if (missing.length > 0) throw new Error(`no second instance of ${missing.join(' and ')} within three minutes`);
  return watched.map((name) => `a second ${name} after ${after[name]} s`).join(', ');
}
