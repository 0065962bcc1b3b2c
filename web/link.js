/** @import { TimelineEntry } from './state.js' */

const longest = 1_000_000;

/**
 * A place of this page that carries a timeline itself. What follows `#` is never sent to a server, and holds ids and
 * amounts, so it can be shown to whoever may not read the order.
 *
 * @param {string} id
 * @param {TimelineEntry[]} moments
 */
export async function linkOf(id, moments) {
  const packed = new Blob([JSON.stringify({ id, moments })]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
  const text = btoa(String.fromCharCode(...bytes));
  return `#/shared/${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

/**
 * The timeline that such a place carries, or null if it is none.
 *
 * @param {string} carried what follows `#/shared/`
 * @returns {Promise<{ id: string, moments: TimelineEntry[] } | null>}
 */
export async function timelineOf(carried) {
  try {
    const bytes = Uint8Array.from(atob(carried.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
    const reader = new Blob([bytes])
      .stream()
      .pipeThrough(new DecompressionStream('deflate-raw'))
      .pipeThrough(new TextDecoderStream())
      .getReader();
    let text = '';
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += next.value;
      if (text.length > longest) return null;
    }
    const { id, moments } = JSON.parse(text);
    return typeof id === 'string' && Array.isArray(moments) && moments.every(isEntry) ? { id, moments } : null;
  } catch {
    return null;
  }
}

/** @param {Record<string, unknown>} moment */
const isEntry = ({ at, type, function: by, id, correlationId, detail }) =>
  [at, type, by, id, correlationId].every((text) => typeof text === 'string') &&
  typeof detail === 'object' &&
  detail !== null;
