import { BlockList, isIPv6 } from 'node:net';
import type { RequestHandler } from 'express';
import { Problem } from '#platform/problem.ts';
import { clientAddress } from './client-address.ts';
import { storefrontSettings } from './settings.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Refuses a request that has brought a password in clear; over the loopback, as by `kubectl port-forward`, it may. */
export const httpsOnly: RequestHandler = (request, _response, next) => {
  const isSafe = request.headers['x-forwarded-proto'] === 'https' || isLoopback(clientAddress(request));
  if (storefrontSettings.HTTPS_ONLY && !isSafe)
    throw new Problem(
      'https_required',
      'Passwords are taken over HTTPS only. Choose another one: this one was in clear.',
    );
  next();
};

const isLoopback = (address: string) => loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
