import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { Request } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';
import { storefrontSettings } from '#functions/storefront/settings.ts';

const { PROXY_HOPS } = storefrontSettings;

/** Gateways that were seen next to the function, and when (`performance.now()`). */
const gateways = new Map<string, number>();
const rememberedMs = 600_000;

/**
 * The IP address that a request comes from, however many addresses the caller has written before it: each proxy of ours
 * adds the address that has called it. Behind Kourier a request for the shop's domain passes the gateway, the gateway
 * again (a DomainMapping leads to the service inside), Knative's activator while there are few instances for much load,
 * and Knative's proxy beside the function. A caller may forge the name of the activator, so it counts only where the
 * nearest address is not that of a gateway that was seen in the last ten minutes.
 */
export function clientAddress({ headers, socket }: Request, hops = PROXY_HOPS): string {
  const connected = socket.remoteAddress ?? '';
  if (hops === 0) return connected;
  const chain = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim());
  // behind a single proxy the nearest address is the caller's own, and there is no activator
  const extra = hops > 1 && isActivated(headers, chain, hops) ? 1 : 0;
  const address = chain.at(-hops - extra) ?? '';
  return isIP(address) === 0 ? connected : address;
}

function isActivated(headers: IncomingHttpHeaders, chain: string[], hops: number): boolean {
  const next = chain.at(-1) ?? '';
  const now = performance.now();
  if (headers['k-proxy-request'] === undefined) {
    // the activator is not on the way, so the gateway itself has called
    if (chain.length >= hops) gateways.set(next, now);
    if (gateways.size > 100) gateways.clear();
    return false;
  }
  return now - (gateways.get(next) ?? -Infinity) > rememberedMs;
}

/** What counts as one address for a limit: an IPv4 address, or the /56 of an IPv6 one, which is what a household has. */
export const limitedAddress = (request: Request): string => ipKeyGenerator(clientAddress(request));
