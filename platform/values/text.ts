import { z } from 'zod';

/** A text of one line. Control characters and halves of characters are refused: the database cannot keep all of them. */
export const line = z.string().regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters');

// Letters of one keyboard are composed (NFC), of another decomposed (NFD): what looks the same must be the same value.
const composed = z.string().normalize('NFC');

/** A password as it was typed at log-in: a wrong one may be short. */
export const typedPassword = composed.max(200);

/** A password that is chosen. */
export const password = typedPassword.min(8);

// in Persian and Indian names joiners stand between letters; middle dots in Catalan and Japanese ones
const nameCharacters = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}\p{Zs}\p{Join_Control}'’.,·・‐-]*$/u;
// what mail clients show as a link: the shop's mails greet by name, and must not carry a stranger's advertisement
const link = /[\p{L}\p{M}\p{N}-]{2,}\.[\p{L}\p{M}]{2,}|(?<![\p{L}\p{M}\p{N}])www\./iu;

/** The name of a person. */
export const personName = composed
  .trim()
  .min(1)
  .max(200)
  .regex(nameCharacters, "must begin with a letter or digit, and have only letters, digits, spaces and ' ’ - . ,")
  .refine((name) => !link.test(name), 'must not contain a web address; after a dot comes a space');
