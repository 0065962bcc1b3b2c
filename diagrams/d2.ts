import { D2, type Diagram } from '@terrastruct/d2';

export const header = '# Written by `npm run diagrams` from the Triggers, the contracts and the database. Do not edit.';

/**
 * The style of all pictures: commands are blue, functions that consume events green, the Broker and its safeguards
 * yellow. The wider a picture is, the larger its text has to be to remain readable in a column of 900 pixels.
 */
export function classes(fontSize: number): string {
  const box = (fill: string, stroke: string) =>
    `{style: {fill: ${quoted(fill)}; stroke: ${quoted(stroke)}; border-radius: 8; font-size: ${fontSize}; bold: true}}`;
  const arrow = (color: string, text: string, dash = '') =>
    `{style: {stroke: ${quoted(color)}; stroke-width: 2;${dash} font-size: ${fontSize}; font-color: ${quoted(text)}; italic: false}}`;
  const group = (fill: string, text: string) =>
    `{style: {fill: ${quoted(fill)}; font-size: ${fontSize}; font-color: ${quoted(text)}}}`;
  return [
    'classes: {',
    `  outside: ${box('#FFFFFF', '#57606A')}`,
    `  command: ${box('#DDF4FF', '#0969DA')}`,
    `  function: ${box('#DAFBE1', '#1A7F37')}`,
    `  broker: ${box('#FFF8C5', '#9A6700')}`,
    `  event: ${arrow('#1A7F37', '#1F2328')}`,
    `  call: ${arrow('#57606A', '#57606A')}`,
    `  response: ${arrow('#57606A', '#57606A', ' stroke-dash: 4;')}`,
    `  good: ${group('#DAFBE1', '#116329')}`,
    `  bad: ${group('#FFEBE9', '#A40E26')}`,
    '  panel: {style: {fill: "#F6F8FA"; stroke: "#D1D9E0"; border-radius: 8; font-size: 26; font-color: "#1F2328"; bold: true}}',
    '  row: {style: {fill: transparent; stroke: transparent; font-size: 24; font-color: "#57606A"}}',
    '}',
  ].join('\n');
}

/** A text as a D2 name or label. */
export const quoted = (text: string): string => JSON.stringify(text);

/** A function's name on two lines, for a narrow box. */
export const onTwoLines = (name: string): string => name.replace('-', '-\n');

/**
 * Draws with D2: offline, without a browser, and with the same bytes on each machine, since D2 embeds its own font. Its
 * worker keeps the process alive: the caller has to exit.
 */
export async function draw(source: string, arrange: (diagram: Diagram) => void = () => {}): Promise<string> {
  d2 ??= new D2();
  const { diagram, renderOptions } = await d2.compile({ fs: { index: source }, options: { layout: 'elk' } });
  arrange(diagram);
  const picture = await d2.render(diagram, { ...renderOptions, themeID: 0, pad: 24, noXMLTag: true });
  return `${picture.replaceAll(/font-family: ("[^"]+");/g, `font-family: $1, ${fallbackFonts};`)}\n`;
}

// for viewers that ignore embedded fonts
const fallbackFonts = '"Source Sans 3", "Segoe UI", Helvetica, Arial, sans-serif';

let d2: D2 | undefined;
