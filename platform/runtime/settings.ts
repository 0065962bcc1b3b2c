import { z } from 'zod';

/**
 * Reads a module's settings from the environment, once, when the module is loaded.
 * A missing or unreadable setting ends the process with its name and what is wrong; never with its value.
 */
export function settings<Shape extends z.ZodRawShape>(shape: Shape): z.infer<z.ZodObject<Shape>> {
  const parsed = z.object(shape).safeParse(process.env);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${reason(issue)}`);
  process.stderr.write(`Settings are missing or unreadable – ${wrong.join('; ')}\n`);
  return process.exit(1);
}

function reason(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : issue.message;
}

/** A whole number given as text, within bounds. */
export function wholeNumber(low: number, high: number) {
  return z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be between ${low} and ${high}`);
}
