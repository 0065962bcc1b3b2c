import { isUtf8 } from 'node:buffer';
import { MIMEType } from 'node:util';
import express, { type RequestHandler } from 'express';
import { Problem } from '#platform/http/problem.ts';

// RFC 8259, section 8.1: JSON is in UTF-8, and its media type has no charset. Clients name one all the same.
const charsets = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/** Refuses a body of another type. */
const jsonOnly: RequestHandler = (request, _response, next) => {
  const charset = request.is('application/json') && charsetOf(request.headers['content-type'] ?? '');
  if (!charset) throw new Problem('unsupported_media_type', 'Send the body as application/json.');
  if (!charsets.has(charset)) throw new Problem('unsupported_media_type', 'Send JSON in UTF-8.');
  // for the parser, which knows fewer names of it
  request.headers['content-type'] = 'application/json';
  next();
};

function charsetOf(contentType: string): string | undefined {
  try {
    return (new MIMEType(contentType).params.get('charset') ?? 'utf-8').trim().toLowerCase();
  } catch {
    return undefined; // no media type (RFC 9110, section 8.3.1)
  }
}

const parse = express.json({
  limit: '64kb',
  strict: false,
  // bytes that are no UTF-8 would be read, and stored, as replacement characters
  verify: (_request, _response, body) => {
    if (!isUtf8(body)) throw new Problem('malformed_request', 'Send JSON in UTF-8.');
  },
});

/** Reads the JSON body of a request: another type is 415, more than 64 KiB is 413. */
export const jsonBody: RequestHandler[] = [jsonOnly, parse];
