import { pino, type Logger } from 'pino';
import { z } from 'zod';

/** The levels of the log, as a setting. */
export const logLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info');

/** The function that this process serves; `shop` when it serves all of them. */
export const thisFunction = process.env['K_SERVICE'] || 'shop';

const root = pino({
  // a level that cannot be read is reported when the function's context is made
  level: logLevel.safeParse(process.env['LOG_LEVEL']).data ?? 'info',
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
  serializers: { err: withoutData },
});

/** One JSON line per entry on standard output. Ids only: no address, name, password or token belongs in here. */
export const log = root.child({ function: thisFunction });

const logs = new Map([[thisFunction, log]]);

/** The log of one function, where a process serves several. */
export function logOf(name: string): Logger {
  const known = logs.get(name);
  if (known) return known;
  const made = root.child({ function: name });
  logs.set(name, made);
  return made;
}

/**
 * An error without what it quotes: Postgres quotes the whole row that a check refused, and the value that it could not
 * read; a parser quotes the body.
 */
export function withoutData(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error;
  const { name, message, stack, code, constraint, table, cause } = error as Record<string, unknown>;
  const isQuoting = error instanceof SyntaxError || String(code).startsWith('22');
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : [];
  return {
    type: name,
    ...(!isQuoting && { message }),
    ...(code !== undefined && { code }),
    ...(constraint !== undefined && { constraint }),
    ...(table !== undefined && { table }),
    stack: frames.join('\n'),
    ...(cause !== undefined && { cause: withoutData(cause) }),
  };
}
