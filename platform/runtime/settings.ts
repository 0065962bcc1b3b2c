import { z } from 'zod';

/** Settings that are missing or cannot be read. The message names them and says what is wrong, never their values. */
export class SettingsError extends Error {
  override name = 'SettingsError';
}

/** Reads settings from the environment. Throws `SettingsError`. */
export function settings<Shape extends z.ZodRawShape>(shape: Shape): z.infer<z.ZodObject<Shape>> {
  const parsed = z.object(shape).safeParse(process.env);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${reason(issue)}`);
  throw new SettingsError(`Settings are missing or invalid – ${wrong.join('; ')}`);
}

/** Reads the settings of a program; what is wrong is one sentence on stderr and exit code 1. */
export function programSettings<Shape extends z.ZodRawShape>(shape: Shape): z.infer<z.ZodObject<Shape>> {
  try {
    return settings(shape);
  } catch (error) {
    return exitBecause(error as Error);
  }
}

/** Ends the process with 1: wrong settings are one sentence on stderr, any other error shows where it happened. */
export function exitBecause(error: Error): never {
  process.stderr.write(`${error instanceof SettingsError ? error.message : error.stack}\n`);
  process.exit(1);
}

function reason(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : issue.message;
}

/** A setting that is a whole number within bounds. */
export function wholeNumber(low: number, high: number) {
  return z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be between ${low} and ${high}`);
}
