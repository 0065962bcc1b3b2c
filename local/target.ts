import path from 'node:path';
import { z } from 'zod';
import { runningShop } from '#local/lock.ts';
import { settings } from '#platform/runtime/settings.ts';

/** The shop that a program in this folder calls. */
export interface Target {
  baseUrl: string;
  /** Sent as `Host`, where `baseUrl` is the address of an ingress. */
  host?: string | undefined;
  /** The mail catcher's URL. Without it, the requests that read mails are skipped. */
  mailUrl?: string | undefined;
  adminEmail: string;
  adminPassword: string;
}

/** The shop that the settings name, or the one that runs on this machine. */
export function findTarget(): Target {
  const env = settings({
    DATA_DIR: z.string().min(1).default('.data'),
    BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
    HOST_HEADER: z.string().optional(),
    MAIL_URL: z.string().optional(),
    ADMIN_EMAIL: z.string().optional(),
    ADMIN_PASSWORD: z.string().optional(),
  });
  const dataDir = path.resolve(env.DATA_DIR);
  const shop = env.BASE_URL ? undefined : runningShop(dataDir);
  const baseUrl = env.BASE_URL ?? shop?.url;
  if (!baseUrl) {
    throw new Error(`No shop runs on ${dataDir}. Start one with "npm start", or set BASE_URL to use another one.`);
  }
  const adminPassword = shop?.adminPassword ?? env.ADMIN_PASSWORD;
  if (!adminPassword) throw new Error(`Set ADMIN_PASSWORD to the password of the administrator of ${baseUrl}.`);
  return {
    baseUrl: baseUrl.replace(/\/+$/, ''),
    host: env.HOST_HEADER,
    mailUrl: (env.MAIL_URL ?? shop?.mailUrl ?? undefined)?.replace(/\/+$/, ''),
    adminEmail: shop?.adminEmail ?? env.ADMIN_EMAIL ?? 'admin@example.com',
    adminPassword,
  };
}
