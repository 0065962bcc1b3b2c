import { z } from 'zod';

/** A text of one line. Control characters and halves of characters are refused: the database cannot keep all of them. */
export const line = z.string().regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters');
