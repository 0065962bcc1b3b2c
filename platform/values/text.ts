import { z } from 'zod';

/** A text of one line. Control characters and unpaired surrogates are refused: the database cannot store all of them. */
export const line = z.string().regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters');

// Some keyboards type composed characters (NFC), others decomposed ones (NFD): equal texts must be equal values.
const composed = z.string().normalize('NFC');

/** A password as it was typed at log-in: a wrong one may be short. */
export const typedPassword = composed.max(200);

/** A password that is chosen. */
export const password = typedPassword.min(8);

// in Persian and Indian names joiners stand between letters; middle dots in Catalan and Japanese ones
const nameCharacters = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}\p{Zs}\p{Join_Control}'’.,·・‐-]*$/u;
// what mail clients show as a link: the shop's mails greet by name, which must not become an advertisement
const link = /[\p{L}\p{M}\p{N}-]{2,}\.[\p{L}\p{M}]{2,}|(?<![\p{L}\p{M}\p{N}])www\./iu;

/** A customer's name. */
export const personName = composed
  .trim()
  .min(1)
  .max(200)
  .regex(nameCharacters, "must begin with a letter or digit, and have only letters, digits, spaces and ' ’ - . ,")
  .refine((name) => !link.test(name), 'must not contain a web address; after a dot comes a space');
