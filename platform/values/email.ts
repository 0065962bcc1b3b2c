import { domainToASCII } from 'node:url';
import { z } from 'zod';

const maxLength = 254;
const atext = "[a-z0-9!#$%&'*+/=?^_`{|}~-]";
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
// RFC 5321, section 4.1.2: a local part of atoms, 64 at most; a domain of two labels or more, the last one no number
const address = new RegExp(`^(?=.{1,64}@)${atext}+(?:\\.${atext}+)*@(?:${label}\\.)+(?!\\d+$)${label}$`);
// RFC 2047, section 5, has no encoded words in addresses, but mail software decodes them: into the address of another
const encodedWord = /=\?[^?]*\?[bq]\?[^?]*\?=/;

/**
 * An e-mail address, normalised: in lower case, with its domain in ASCII (RFC 5890), so that it can be compared by value.
 * Quoted local parts, address literals, encoded words and domains of one label are refused; so are local parts beyond
 * ASCII, which only a mail server with SMTPUTF8 (RFC 6531) can deliver to.
 */
export const email = z
  .string()
  .max(maxLength)
  .meta({ description: 'Letters beyond ASCII may be in the domain only; it is returned in its ASCII form.' })
  .transform((text, context) => {
    const at = text.lastIndexOf('@');
    const local = text.slice(0, Math.max(at, 0));
    if (/[^\0-\x7f]/.test(local)) {
      context.addIssue('must have only ASCII characters before the @');
      return z.NEVER;
    }
    const normalized = `${local}@${asciiDomain(text.slice(at + 1))}`.toLowerCase();
    if (normalized.length > maxLength || !address.test(normalized) || encodedWord.test(local.toLowerCase())) {
      context.addIssue('must be an e-mail address');
      return z.NEVER;
    }
    return normalized;
  });

/** The ASCII form of a domain; empty if there is none. */
function asciiDomain(domain: string): string {
  // what Node makes an ASCII form of is a URL's host: it would decode `%61`, and stop at `/`
  return /^(?:[\w.-]|[^\0-\x7f])+$/.test(domain) ? domainToASCII(domain) : '';
}
