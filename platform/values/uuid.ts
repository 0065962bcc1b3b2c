import { z } from 'zod';

/**
 * An id: a UUID (RFC 9562, section 4). It may arrive in capitals and leaves in lower case, as Postgres returns it: ids
 * are parts of event ids and keys of maps, so every route, event and cursor reads them by this schema.
 */
export const uuid = z.uuid().toLowerCase();
