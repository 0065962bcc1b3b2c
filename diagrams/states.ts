import { classes, header, quoted } from './d2.ts';
import type { Hop } from '#events/topology/topology.ts';
import { transitions } from './scenario.ts';

/** The states of an order with the event of each transition. Throws for an event without a producer. */
export function statesSource(hops: Hop[]): string {
  const unknown = transitions.filter((transition) => !hops.some(({ event }) => event === transition.event));
  if (unknown.length > 0) {
    throw new Error(`diagrams/scenario.ts: no function produces ${unknown.map(({ event }) => event).join(' and ')}`);
  }
  const states = [...new Set(transitions.flatMap(({ from, to }) => [from, to]))];
  return [
    header,
    classes(28),
    'direction: right',
    'style.fill: "#FFFFFF"',
    ...states.map((state) => `${state}: ${quoted(state)} {class: ${kindOf(state)}}`),
    ...transitions.map(({ from, to, event }) => `${from} -> ${to}: ${quoted(event)} {class: event}`),
    '',
  ].join('\n');
}

/** Yellow: transient. Blue: settled, and can be canceled. Green: final. */
function kindOf(state: string): string {
  const next = transitions.filter(({ from }) => from === state);
  if (next.length === 0) return 'function';
  return next.every(({ event }) => event === 'order.cancel_requested') ? 'command' : 'broker';
}
