import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { Request } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';

const rememberedMs = 600_000;

export interface ClientAddress {
  /** The IP address that a request comes from. */
  clientAddress(request: Request): string;
  /** What counts as one address for a limit: an IPv4 address, or the /56 of an IPv6 one, which is one household's. */
  limitedAddress(request: Request): string;
}

/**
 * Finds the address of a caller behind `hops` proxies of the shop, each of which adds the address that connected to it to
 * `X-Forwarded-For`, behind whatever the caller wrote there. Behind Kourier a request for the shop's domain passes the
 * gateway, the gateway again (a DomainMapping leads to the service inside), Knative's activator while there are few instances
 * for much load, and Knative's proxy next to the function. A caller may forge the header of the activator, so it counts only
 * where the nearest address is not that of a gateway seen in the last ten minutes.
 */
export function createClientAddress(hops: number): ClientAddress {
  /** Gateways that were seen next to the function, and when (`performance.now()`). */
  const gateways = new Map<string, number>();

  function clientAddress({ headers, socket }: Request): string {
    const connected = socket.remoteAddress ?? '';
    if (hops === 0) return connected;
    const chain = String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .map((address) => address.trim());
    // behind a single proxy the nearest address is the caller's own, and there is no activator
    const extra = hops > 1 && isActivated(headers, chain) ? 1 : 0;
    const address = chain.at(-hops - extra) ?? '';
    return isIP(address) === 0 ? connected : address;
  }

  function isActivated(headers: IncomingHttpHeaders, chain: string[]): boolean {
    const next = chain.at(-1) ?? '';
    const now = performance.now();
    if (headers['k-proxy-request'] === undefined) {
      // the activator is not in between, so the gateway itself connected
      if (chain.length >= hops) gateways.set(next, now);
      if (gateways.size > 100) gateways.clear();
      return false;
    }
    return now - (gateways.get(next) ?? -Infinity) > rememberedMs;
  }

  return { clientAddress, limitedAddress: (request) => ipKeyGenerator(clientAddress(request)) };
}
