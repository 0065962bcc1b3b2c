import type { Diagram, Point } from '@terrastruct/d2';
import { classes, header, onTwoLines, quoted } from './d2.ts';
import { commandsOf, type Hop } from '#events/topology/topology.ts';
import { commands, follows, mailer, mails, outcomes } from './scenario.ts';

/** The sequence diagram: one panel per command, from the customer's request through the Triggers to the mail. */
export function sequenceSource(hops: Hop[]): string {
  const order = Object.keys(commands);
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const panels = commandsOf(hops)
    .toSorted((a, b) => place(a) - place(b))
    .map((command) => panel(command, hops));
  return [header, classes(24), 'grid-columns: 1', 'grid-gap: 24', 'style.fill: "#FFFFFF"', ...panels, ''].join('\n');
}

function panel(command: string, hops: Hop[]): string {
  const { title, request, response } = commands[command] ?? { title: command, request: 'POST', response: '' };
  const chain = chainOf(command, hops);
  const functions = [...new Set(chain.functions)].filter((name) => name !== mailer);
  const ends = chain.functions.includes(mailer) ? [lane(mailer, 'function'), 'mail: Mail {class: outside}'] : [];
  const body = [
    'shape: sequence_diagram',
    'class: panel',
    'customer: Customer {class: outside}',
    'storefront: storefront {class: outside}',
    lane(command, 'command'),
    'broker: Broker {class: broker}',
    ...functions.map((name) => lane(name, 'function')),
    ...ends,
    `customer -> storefront: ${quoted(request)} {class: call}`,
    `storefront <-> ${command} {class: call}`,
    `storefront -> customer: ${quoted(response)} {class: response}`,
    ...chain.lines,
  ];
  return [`${command}: ${quoted(title)} {`, ...indented(body), '}'].join('\n');
}

const rowHeight = 56;

/** Reduces the height of the rows: D2 leaves nearly twice the space that the labels need. */
export function compactRows({ shapes, connections }: Diagram): void {
  const heads = shapes.filter(({ classes: of }) => !of?.some((name) => ['panel', 'good', 'bad'].includes(name)));
  const isHead = (y: number) => heads.some(({ pos, height }) => pos.y <= y && y < pos.y + height);
  const marks = new Set<number>();
  for (const { pos, height } of shapes) marks.add(pos.y).add(pos.y + height);
  for (const { route } of connections) for (const point of route as Point[]) marks.add(point.y);
  const moved = new Map<number, number>();
  let last = 0;
  let y = 0;
  for (const mark of [...marks].toSorted((a, b) => a - b)) {
    y += isHead(last) ? mark - last : Math.min(mark - last, rowHeight);
    moved.set(mark, y);
    last = mark;
  }
  const at = (mark: number) => moved.get(mark) ?? mark;
  for (const shape of shapes) {
    shape.height = at(shape.pos.y + shape.height) - at(shape.pos.y);
    shape.pos.y = at(shape.pos.y);
  }
  for (const { route } of connections) for (const point of route as Point[]) point.y = at(point.y);
}

interface Chain {
  lines: string[];
  /** In the order in which the events reach them. */
  functions: string[];
}

/** The chain that a producer begins, or continues after the event `cause`. */
function chainOf(producer: string, hops: Hop[], cause?: Hop, passed: string[] = []): Chain {
  const next = responsesOf(producer, hops, cause).toSorted((a, b) => placeOf(a) - placeOf(b));
  const chains = next.map((hop) => {
    if (passed.includes(hop.event)) throw new Error(`${hop.event} leads back to itself: ${passed.join(' → ')}`);
    const chain = deliveriesOf(hop, hops, [...passed, hop.event]);
    return next.length > 1 ? alternative(hop, chain) : chain;
  });
  return joined(chains);
}

function deliveriesOf(hop: Hop, hops: Hop[], passed: string[]): Chain {
  const name = quoted(hop.event);
  const on = hop.subscribers.map((subscriber) => {
    const chain = chainOf(subscriber, hops, hop, passed);
    const mail =
      subscriber === mailer ? [`${mailer} -> mail: ${quoted(mails[hop.event] ?? 'mail')} {class: call}`] : [];
    return {
      lines: [`broker -> ${subscriber}: ${name} {class: event}`, ...mail, ...chain.lines],
      functions: [subscriber, ...chain.functions],
    };
  });
  return joined([{ lines: [`${hop.producer} -> broker: ${name} {class: event}`], functions: [] }, ...on]);
}

/** The events that a function may reply with to an event. */
function responsesOf(producer: string, hops: Hop[], cause?: Hop): Hop[] {
  const produced = hops.filter((hop) => hop.producer === producer);
  if (!cause || produced.length < 2) return produced;
  const consumed = hops.filter(({ subscribers }) => subscribers.includes(producer));
  if (consumed.length < 2) return produced;
  const unassigned = produced.filter(({ event }) => !consumed.some((other) => follows[other.event]?.includes(event)));
  if (unassigned.length > 0) {
    throw new Error(
      `diagrams/scenario.ts: ${producer} consumes several event types: add to follows which of them ${unassigned.map(({ event }) => event).join(' and ')} follows from`,
    );
  }
  return produced.filter(({ event }) => follows[cause.event]?.includes(event));
}

function alternative({ event }: Hop, { lines, functions }: Chain): Chain {
  const { meaning, tone } = outcomes[event] ?? { meaning: event, tone: 'good' };
  const group = [`${quoted(`if ${event}`)}: ${quoted(meaning)} {`, ...indented([`class: ${tone}`, ...lines]), '}'];
  return { lines: group, functions };
}

const placeOf = ({ event }: Hop): number => Object.keys(outcomes).indexOf(event);

const joined = (chains: Chain[]): Chain => ({
  lines: chains.flatMap(({ lines }) => lines),
  functions: chains.flatMap(({ functions }) => functions),
});

const lane = (name: string, kind: string): string => `${name}: ${quoted(onTwoLines(name))} {class: ${kind}}`;

const indented = (lines: string[]): string[] => lines.map((line) => `  ${line}`);
