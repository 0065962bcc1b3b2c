import { expect, test } from '@jest/globals';
import type { Request } from 'express';
import { createClientAddress } from './client-address.ts';

// Behind Kourier and a DomainMapping, as seen on a cluster: the gateway (10.244.0.10) adds its caller's address, then its own
// internal one (10.244.0.1); Knative's sidecar of the function adds the gateway, and the activator (10.244.0.17) if the
// request came through it.

const kourier = createClientAddress(3);

const addressOf = (forwarded: string | undefined, more: Record<string, string> = {}, { clientAddress } = kourier) => {
  const headers = { ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }), ...more };
  return clientAddress({ headers, socket: { remoteAddress: '127.0.0.1' } } as unknown as Request);
};
const activated = { 'k-proxy-request': 'activator' };

// promise: caller-addresses
test.each(['203.0.113.5', '192.168.49.1', '2001:db8::5'])(
  'finds the caller %s, with the activator and without',
  (caller) => {
    for (const forged of ['', '198.51.100.1, ', '198.51.100.1, 10.0.0.1,10.0.0.2, 10.0.0.3, ']) {
      expect(addressOf(`${forged}${caller},10.244.0.1, 10.244.0.10`)).toBe(caller);
      expect(addressOf(`${forged}${caller},10.244.0.1, 10.244.0.10, 10.244.0.17`, activated)).toBe(caller);
    }
  },
);

// promise: caller-addresses
test.each(['203.0.113.5', '192.168.49.1'])('finds the caller %s that forges the header of the activator', (caller) => {
  addressOf('192.0.2.9,10.244.0.1, 10.244.0.10'); // another caller came through that gateway before
  expect(addressOf(`198.51.100.1, ${caller},10.244.0.1, 10.244.0.10`, activated)).toBe(caller);
});

test('takes no caller for the activator behind a single reverse proxy', () => {
  expect(addressOf('198.51.100.1, 203.0.113.7', activated, createClientAddress(1))).toBe('203.0.113.7');
});

test('falls back to the address of the connection without a readable one', () => {
  for (const chain of [undefined, '', '10.244.0.10', 'unknown, 10.244.0.1, 10.244.0.10'])
    expect(addressOf(chain)).toBe('127.0.0.1');
});
