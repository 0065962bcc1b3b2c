/** @import { SharedTimeline, TimelineEntry } from './state.js' */

const maxCharacters = 1_000_000;

/**
 * A link within this page that carries a timeline. What follows `#` is never sent to a server, and holds only ids and
 * amounts, so that it can be shown to users without access to the order.
 *
 * @param {string} id
 * @param {TimelineEntry[]} entries
 */
export async function linkOf(id, entries) {
  const packed = new Blob([JSON.stringify({ id, entries })]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
  const text = btoa(String.fromCharCode(...bytes));
  return `#/shared/${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

/**
 * The timeline that such a link carries, or null if it cannot be read.
 *
 * @param {string} carried what follows `#/shared/`
 * @returns {Promise<SharedTimeline | null>}
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
      if (text.length > maxCharacters) return null;
    }
    const { id, entries } = JSON.parse(text);
    return typeof id === 'string' && Array.isArray(entries) && entries.every(isEntry) ? { id, entries } : null;
  } catch {
    return null;
  }
}

/** @param {Record<string, unknown>} value */
const isEntry = ({ at, type, function: by, id, correlationId, detail }) =>
  [at, type, by, id, correlationId].every((text) => typeof text === 'string') &&
  typeof detail === 'object' &&
  detail !== null;
