import { classes, header, onTwoLines, quoted } from './d2.ts';
import { commandsOf, type Hop } from '#events/topology/topology.ts';
import { commands, mailer, republishers } from './scenario.ts';

export interface Shop {
  hops: Hop[];
  /** The dead letter sinks that the Broker and the Triggers name. */
  deadLetterSinks: string[];
  /** All functions: the folders of `functions/`. */
  functions: readonly string[];
}

/** The small picture: which function sends which event to which; below, the safeguards for lost and refused events. */
export function flowSource({ hops, deadLetterSinks, functions }: Shop): string {
  const begin = commandsOf(hops);
  const order = Object.keys(commands);
  const involved = [...new Set(hops.flatMap(({ producer, subscribers }) => [producer, ...subscribers]))];
  const ordered = [
    ...order.filter((name) => involved.includes(name)),
    ...involved.filter((name) => !order.includes(name)),
  ];
  const chains = [
    'storefront: storefront {class: outside}',
    ...ordered.map((name) => box(name, begin.includes(name) ? 'command' : 'function')),
    ...ordered.filter((name) => begin.includes(name)).map((name) => `storefront -> ${name} {class: call}`),
    ...ordered.flatMap((name) => edges(hops.filter(({ producer }) => producer === name))),
    ...(involved.includes(mailer) ? ['mail: mail {class: outside}', `${mailer} -> mail {class: call}`] : []),
  ];
  const safeguards = [
    'broker: Broker {class: broker}',
    ...Object.entries(republishers).flatMap(([name, { caller, call, publishes }]) =>
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
      `broker -> ${name}: "what cannot be delivered" {class: event}`,
    ]),
  ];
  return [
    header,
    classes(28),
    'grid-columns: 1',
    'grid-gap: 16',
    'style.fill: "#FFFFFF"',
    ...row(
      'events',
      'Green arrows are events: the Broker accepts them, and a Trigger delivers each to its function',
      chains,
    ),
    ...row('safeguards', 'What the Broker loses is published again; what a function refuses is parked', safeguards),
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
  const style = ['direction: right', 'class: row', 'label.near: top-left'];
  return [`${name}: ${quoted(label)} {`, ...[...style, ...lines].map((line) => `  ${line}`), '}'];
}
