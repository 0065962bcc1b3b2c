/** The functions that consume each event type; the storefront writes `topology.js` from the Triggers. */
export const consumers: Readonly<Record<string, readonly string[]>>;
