import { html, type Html } from './html.ts';

interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: string[];
  const?: string;
  examples?: unknown[];
  format?: string;
  pattern?: string;
  default?: string | number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  security: unknown[];
  parameters: { name: string; in: string; description?: string; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema; example: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

interface OpenApi {
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

interface AsyncApi {
  info: { description: string };
  operations: Record<string, { summary: string; messages: { $ref: string }[] }>;
  components: { messages: Record<string, Message> };
}

interface Message {
  title: string;
  summary: string;
  payload: Schema;
  examples: { headers: unknown; payload: unknown }[];
}

/** The two documents as one page, without a script and with nothing of another host. */
export function docsPage(openApi: Record<string, unknown>, asyncApi: Record<string, unknown>): string {
  const api = openApi as unknown as OpenApi;
  const events = asyncApi as unknown as AsyncApi;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ title: `${method.toUpperCase()} ${path}`, operation })),
  );
  const schemas = Object.entries(api.components.schemas);
  const messages = Object.entries(events.components.messages);
  const link = (id: string, text: string) => html`<li><a href="#${id}">${text}</a></li>`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${api.info.title}: API and events</title>
        <link rel="stylesheet" href="/docs/docs.css" />
      </head>
      <body>
        <h1>${api.info.title} ${api.info.version}</h1>
        <p><a href="/openapi.json">OpenAPI 3.1</a> · <a href="/asyncapi.json">AsyncAPI 3</a></p>
        <nav>
          <ul>
            ${operations.map(({ title, operation }) => link(operation.operationId, title))}
            ${messages.map(([name, { title }]) => link(name, title))}
          </ul>
        </nav>
        <main>
          <h2>API</h2>
          <p>${marked(api.info.description)}</p>
          ${operations.map(({ title, operation }) => operationPart(title, operation))}
          <h2>Schemas</h2>
          ${schemas.map(
            ([name, schema]) =>
              html`<article id="${name}">
                <h3>${name}</h3>
                ${schemaPart(schema)}
              </article>`,
          )}
          <h2>Events</h2>
          <p>${marked(events.info.description)}</p>
          ${messages.map(([name, message]) => messagePart(name, message, events.operations))}
        </main>
      </body>
    </html>`.text;
}

function operationPart(title: string, operation: Operation): Html {
  const { operationId, summary, description, security, parameters, requestBody, responses } = operation;
  const body = requestBody?.content['application/json'];
  return html`<article id="${operationId}">
    <h3>${title}</h3>
    <p>${summary}. ${marked(description)} ${security.length > 0 ? 'Needs a token.' : ''}</p>
    ${
      body &&
      html`<p>Body: ${typeOf(body.schema)}, for example</p>
        ${codeOf(body.example)}`
    }
    ${table(
      'Parameters',
      parameters.map(({ name, in: where, schema, description: what }) => [
        name,
        html`${where}: ${typeOf(schema)}. ${marked(what)}`,
      ]),
    )}
    ${table(
      'Responses',
      Object.entries(responses).map(([status, { description: what, content = {} }]) => [
        status,
        html`${marked(what)} ${Object.values(content).map(({ schema }) => html`${schema.$ref && typeOf(schema)}`)}`,
      ]),
    )}
  </article>`;
}

function messagePart(name: string, { title, summary, payload, examples }: Message, all: AsyncApi['operations']): Html {
  const moves = Object.values(all).filter(({ messages }) => messages.some(({ $ref }) => $ref.endsWith(`/${name}`)));
  return html`<article id="${name}">
    <h3>${title}</h3>
    <p>${summary} ${moves.map((move) => html`${move.summary} `)}</p>
    ${schemaPart({ ...payload, examples })}
  </article>`;
}

function schemaPart(schema: Schema): Html {
  return html`<p>${schema.description}</p>
    ${table('Fields', fieldsOf(schema))} ${schema.examples?.map(codeOf)}`;
}

/** A text in which `…` is code. */
const marked = (text = '') =>
  text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));

const codeOf = (value: unknown) => html`<pre>${JSON.stringify(value, null, 2)}</pre>`;

/** Every field with its path, `items[].sku`. */
function fieldsOf({ properties = {} }: Schema, before = ''): [string, Html][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const inner = schema.items?.properties ? schema.items : schema;
    const path = `${before}${name}${inner === schema ? '' : '[]'}`;
    const field: [string, Html] = [
      path,
      html`${typeOf(schema)} ${schema.description && html`– ${marked(schema.description)}`}`,
    ];
    return [field, ...fieldsOf(inner, `${path}.`)];
  });
}

function table(caption: string, rows: [string, Html][]): Html | undefined {
  if (rows.length === 0) return undefined;
  const lines = rows.map(
    ([name, what]) =>
      html`<tr>
        <th scope="row"><code>${name}</code></th>
        <td>${what}</td>
      </tr>`,
  );
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <tbody>
      ${lines}
    </tbody>
  </table>`;
}

/** A type in words: `integer from 1 to 100`, `list of Order`. */
function typeOf(schema: Schema): Html {
  const { $ref, type, items, anyOf, enum: choices, const: only, format, pattern, default: usual } = schema;
  if ($ref) return html`<a href="#${$ref.split('/').at(-1)}">${$ref.split('/').at(-1)}</a>`;
  if (anyOf) return html`${listed(anyOf.map(typeOf), ' or ')}`;
  const values = only === undefined ? choices : [only];
  if (values)
    return html`${listed(
      values.map((value) => html`<code>${value}</code>`),
      ', ',
    )}`;
  const what = items ? html`list of ${typeOf(items)}` : html`${[type ?? 'anything'].flat().join(' or ')}`;
  const form = format ?? pattern;
  return html`${what}${bounds(schema)}${form && ` (${form})`}${usual === undefined ? '' : `, ${usual} if not given`}`;
}

const listed = (all: Html[], separator: string): Html[] =>
  all.flatMap((one, index) => (index > 0 ? [html`${separator}`, one] : [one]));

function bounds({ minimum, maximum, minLength, maxLength, minItems, maxItems }: Schema): string {
  const [from, to] = [minimum ?? minLength ?? minItems, maximum ?? maxLength ?? maxItems];
  const unit = (minItems ?? maxItems) ? ' items' : (minLength ?? maxLength) ? ' characters' : '';
  const text = `${from === undefined ? '' : ` from ${from}`}${to === undefined ? '' : ` to ${to}`}`;
  return text && `${text}${unit}`;
}
