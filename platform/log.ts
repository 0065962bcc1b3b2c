import { pino } from 'pino';
import { z } from 'zod';
import { settings } from '#platform/settings.ts';

const { LOG_LEVEL, K_SERVICE } = settings({
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  K_SERVICE: z.string().default('shop'),
});

/** One JSON line an entry on standard output. Ids only: no address, name, password or token belongs in here. */
export const log = pino({
  level: LOG_LEVEL,
  base: { function: K_SERVICE },
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
});
