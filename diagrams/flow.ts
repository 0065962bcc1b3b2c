import { classes, header, onTwoLines, quoted } from './d2.ts';
import { commandsOf, type Hop } from './hops.ts';
import { commands, mailer, repeaters } from './words.ts';

export interface Shop {
  hops: Hop[];
  /** The dead letter sinks that the Broker and the Triggers name. */
  deadLetterSinks: string[];
  /** All functions: the folders of `functions/`. */
  functions: readonly string[];
}

/** The small picture: who hands which event to whom; below, what looks after events that were lost or given up. */
export function flowSource({ hops, deadLetterSinks, functions }: Shop): string {
  const begin = commandsOf(hops);
  const order = Object.keys(commands);
  const rooms = [...new Set(hops.flatMap(({ producer, subscribers }) => [producer, ...subscribers]))];
  const known = [...order.filter((name) => rooms.includes(name)), ...rooms.filter((name) => !order.includes(name))];
  const chains = [
    'storefront: storefront {class: outside}',
    ...known.map((name) => box(name, begin.includes(name) ? 'command' : 'function')),
    ...known.filter((name) => begin.includes(name)).map((name) => `storefront -> ${name} {class: call}`),
    ...known.flatMap((name) => edges(hops.filter(({ producer }) => producer === name))),
    ...(rooms.includes(mailer) ? ['mail: mail {class: outside}', `${mailer} -> mail {class: call}`] : []),
  ];
  const guards = [
    'broker: Broker {class: broker}',
    ...Object.entries(repeaters).flatMap(([name, { caller, call, publishes }]) =>
      functions.includes(name)
        ? [
            `${quoted(caller)}: ${quoted(caller)} {class: outside}`,
            `${name}: ${quoted(name)} {class: broker}`,
            `${quoted(caller)} -> ${name}: ${quoted(call)} {class: call}`,
            `${name} -> broker: ${quoted(publishes)} {class: event}`,
          ]
        : [],
    ),
    ...deadLetterSinks.flatMap((name) => [
      `${name}: ${quoted(name)} {class: broker}`,
      `broker -> ${name}: "what was given up" {class: event}`,
    ]),
  ];
  return [
    header,
    classes(28),
    'grid-columns: 1',
    'grid-gap: 16',
    'style.fill: "#FFFFFF"',
    ...row('events', 'Green arrows are events: the Broker takes them and a Trigger hands each to its function', chains),
    ...row('guards', 'What the Broker loses comes again; what a function refuses is parked', guards),
    '',
  ].join('\n');
}

function edges(hops: Hop[]): string[] {
  return hops.flatMap(({ event, producer, subscribers }) =>
    subscribers.map((subscriber) => `${producer} -> ${subscriber}: ${quoted(event)} {class: event}`),
  );
}

const box = (name: string, kind: string): string => `${name}: ${quoted(onTwoLines(name))} {class: ${kind}}`;

function row(name: string, label: string, lines: string[]): string[] {
  const look = ['direction: right', 'class: row', 'label.near: top-left'];
  return [`${name}: ${quoted(label)} {`, ...[...look, ...lines].map((line) => `  ${line}`), '}'];
}
