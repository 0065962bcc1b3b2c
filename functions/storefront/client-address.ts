import { isIP } from 'node:net';
import type { Request } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';
import { storefrontSettings } from './settings.ts';

const header = storefrontSettings.CLIENT_ADDRESS_HEADER;

/** The IP address that a request comes from, as the gateway says it, or of whoever is connected. */
export function clientAddress(request: Request): string {
  const told = header === '' ? undefined : request.headers[header];
  return typeof told === 'string' && isIP(told) !== 0 ? told : (request.socket.remoteAddress ?? '');
}

/** What counts as one address for a limit: an IPv4 address, or the /56 of an IPv6 one, which is what a household has. */
export const limitedAddress = (request: Request): string => ipKeyGenerator(clientAddress(request));
