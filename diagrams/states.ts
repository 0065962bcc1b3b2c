import { classes, header, quoted } from './d2.ts';
import type { Hop } from './hops.ts';
import { transitions } from './words.ts';

/** The states of an order, and the fact that leads from one to the next. Throws for a fact that nobody produces. */
export function statesSource(hops: Hop[]): string {
  const unknown = transitions.filter(({ fact }) => !hops.some(({ event }) => event === fact));
  if (unknown.length > 0) {
    throw new Error(`diagrams/words.ts: nobody produces ${unknown.map(({ fact }) => fact).join(' and ')}`);
  }
  const states = [...new Set(transitions.flatMap(({ from, to }) => [from, to]))];
  return [
    header,
    classes(28),
    'direction: right',
    'style.fill: "#FFFFFF"',
    ...states.map((state) => `${state}: ${quoted(state)} {class: ${kindOf(state)}}`),
    ...transitions.map(({ from, to, fact }) => `${from} -> ${to}: ${quoted(fact)} {class: event}`),
    '',
  ].join('\n');
}

/** Yellow: on its way to another state. Blue: settled, and can be canceled. Green: nothing follows. */
function kindOf(state: string): string {
  const next = transitions.filter(({ from }) => from === state);
  if (next.length === 0) return 'function';
  return next.every(({ fact }) => fact === 'order.cancel_requested') ? 'command' : 'broker';
}
