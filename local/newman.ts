import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import newman, { type NewmanRunExecution, type NewmanRunSummary } from 'newman';
import type { CollectionDefinition, Response, VariableScopeDefinition } from 'postman-collection';
import { z } from 'zod';
import { findTarget, type Target } from '#local/target.ts';
import { programSettings } from '#platform/runtime/settings.ts';

const help = `Runs the Postman collection (postman/) with Newman against the shop on this machine, or another one.

  npm run newman                                      the whole collection
  npm run newman -- --folder "What the shop refuses"  only this folder
  npm run newman -- --iterations 5                    five times, each with new customers
  npm run newman -- --help                            this text

Settings (environment):
  DATA_DIR                     data folder of a shop on this machine (.data)
  BASE_URL, HOST_HEADER        URL of another shop, and its public name if the URL is only the address of an ingress
  MAIL_URL                     URL of its mail catcher; without it the requests that read mails are skipped
  ADMIN_EMAIL, ADMIN_PASSWORD  its administrator
  REPORT                       "xml" (JUnit) or "json" writes a report to reports/; or a path that ends in one of them

Ends with the number of assertions passed and failed; exits with 1 if any failed.
`;

export interface CollectionRun {
  target: Target;
  /** Only the folder with this name. */
  folder?: string | undefined;
  /** How many times to run it, one after the other; 1 by default. */
  iterations?: number | undefined;
  /** A file to write a report to: JUnit if it ends in `.xml`, JSON otherwise. */
  report?: string | undefined;
  /** Whether Newman prints its progress and summary to standard output. */
  progress?: boolean | undefined;
  /** Called at the end of the run with each exchange that got a response. */
  onExchange?: ((exchange: Exchange) => void) | undefined;
  /** Called with each line of the result: the failures and the totals. */
  say?: ((line: string) => void) | undefined;
}

/** A request and its response. */
export interface Exchange {
  method: string;
  url: string;
  status: number;
  headers: Headers;
  body: string;
}

export interface CollectionResult {
  /** Assertions that passed. */
  passed: number;
  /** Assertions that failed, requests without a response and scripts that threw. */
  failed: number;
  failures: { where: string; message: string }[];
  /** Requests that were skipped because there is no `mailUrl`. */
  skipped: number;
  requests: RequestResult[];
}

/** A request of the collection; one that polls for something is sent several times. */
export interface RequestResult {
  name: string;
  /** Status of the response to each attempt; `null` without a response. */
  statuses: (number | null)[];
  /** The executions that got no response, by Newman's reference. */
  cut: string[];
}

/** Runs the collection. Throws one sentence if it cannot be run; failed assertions are in the result. */
export async function runCollection(run: CollectionRun): Promise<CollectionResult> {
  const { target, report, onExchange, say = () => undefined } = run;
  const hide = hider(target.adminPassword);
  const summary = await runNewman(run);
  const { stats, executions, failures } = summary.run;
  const requests = resultsOf(executions);
  // the collection retries a request without a response: the request fails only if it never gets one
  const repeated = new Set(requests.flatMap(({ statuses, cut }) => (statuses.at(-1) === null ? [] : cut)));
  const counted = failures.filter(({ cursor }) => !('ref' in cursor && repeated.has(cursor.ref)));
  const assertions = executions.filter(({ cursor }) => !repeated.has(cursor.ref)).flatMap((one) => one.assertions);
  const result = {
    passed: assertions.filter((assertion) => assertion && !assertion.error).length,
    failed: counted.length,
    failures: counted.map(({ parent, source, error, at }) => ({
      where: [(parent as { name?: string })?.name, source?.name, error.test ?? at].filter(Boolean).join(' › '),
      message: hide(error.message),
    })),
    skipped: (stats.items.total ?? 0) - (stats.requests.total ?? 0),
    requests,
  };
  for (const line of describe(result)) say(line);
  if (onExchange) executions.flatMap(exchangeOf).forEach(onExchange);
  if (report?.endsWith('.xml')) writeFileSync(report, hide(readFileSync(report, 'utf8')));
  else if (report) writeReport(report, hide(JSON.stringify({ baseUrl: target.baseUrl, ...result }, null, 2)));
  return result;
}

function runNewman(run: CollectionRun): Promise<NewmanRunSummary> {
  const { target, folder, iterations = 1, report, progress } = run;
  exemptLoopbackFromProxy();
  return new Promise((resolve, reject) => {
    newman.run(
      {
        collection: readPostman<CollectionDefinition>('shop.postman_collection.json'),
        environment: readPostman<VariableScopeDefinition>('local.postman_environment.json'),
        envVar: Object.entries({ host: '', mailUrl: '', ...target }).map(([key, value = '']) => ({ key, value })),
        folder,
        iterationCount: iterations,
        timeoutRequest: 30_000,
        reporters: [...(progress ? ['cli'] : []), ...(report?.endsWith('.xml') ? ['junit'] : [])],
        // the failures are in the result, without passwords and tokens
        reporter: { cli: { noBanner: true, noFailures: true }, junit: { export: report } },
      },
      (error, summary) => {
        if (error ?? summary.run.executions.length === 0) {
          reject(new Error(`The collection cannot be run: ${error?.message ?? 'it sent no request'}.`));
        } else resolve(summary);
      },
    );
  });
}

// Newman sends even requests to this machine through the proxy of HTTP_PROXY
function exemptLoopbackFromProxy(): void {
  const exempt = process.env['NO_PROXY'] || process.env['no_proxy'] || '127.0.0.1';
  if (exempt !== '*') process.env['NO_PROXY'] = `${exempt},127.0.0.1,localhost`;
}

const readPostman = <Content>(file: string): Content =>
  JSON.parse(readFileSync(new URL(`../postman/${file}`, import.meta.url), 'utf8')) as Content;

function resultsOf(executions: NewmanRunExecution[]): RequestResult[] {
  const byRequest = Map.groupBy(executions, ({ item, cursor }) => `${cursor.iteration} ${item.id}`);
  return [...byRequest.values()].map((attempts) => ({
    name: attempts[0]?.item.name ?? '',
    statuses: attempts.map(({ response }) => (response as Response | undefined)?.code ?? null),
    cut: attempts.filter(({ response }) => !response).map(({ cursor }) => cursor.ref),
  }));
}

function exchangeOf({ request, response }: NewmanRunExecution): Exchange[] {
  if (!(response as Response | undefined)) return [];
  const headers = new Headers(response.headers.map(({ key, value }): [string, string] => [key, value]));
  const { method } = request;
  return [{ method, url: request.url.toString(), status: response.code, headers, body: response.text() ?? '' }];
}

function* describe({ passed, failed, failures, skipped, requests }: CollectionResult): Generator<string> {
  for (const [index, { where, message }] of failures.entries()) {
    yield `\n${index + 1}. ${where}\n   ${message.replaceAll('\n', '\n   ')}`;
  }
  const cut = requests.reduce((sum, request) => sum + request.cut.length, 0);
  if (cut > 0) yield `\n${cut} attempts got no response.`;
  if (skipped > 0) yield `\n${skipped} requests to the mail catcher were skipped: MAIL_URL is not set.`;
  yield `\n${passed} passed, ${failed} failed`;
}

/** Replaces the administrator's password, and every token, in a text. */
function hider(password: string): (text: string) => string {
  const secrets = [password, JSON.stringify(password).slice(1, -1)].filter((secret) => secret !== '');
  return (text) =>
    secrets
      .reduce((hidden, secret) => hidden.replaceAll(secret, '(password)'), text)
      .replace(/\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?/g, '(token)');
}

function writeReport(file: string, content: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${content}\n`);
}

function readArgs(args: string[]): { folder: string | undefined; iterations: number } {
  const { values } = parseArgs({
    args,
    options: { folder: { type: 'string' }, iterations: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(help);
    process.exit(0);
  }
  const iterations = values.iterations ?? '1';
  if (!/^[1-9]\d{0,5}$/.test(iterations)) throw new Error('--iterations must be a whole number of at least 1.');
  return { folder: values.folder, iterations: Number(iterations) };
}

function reportFile(): string | undefined {
  const { REPORT } = programSettings({
    REPORT: z
      .string()
      .regex(/(^|\.)(json|xml)$/, 'must end in "json" or "xml"')
      .optional(),
  });
  return REPORT && !REPORT.includes('.') ? path.join('reports', `newman-${process.pid}.${REPORT}`) : REPORT;
}

if (import.meta.main) {
  // newman 6.2 reads fs.F_OK, which Node 24 warns about
  process.noDeprecation = true;
  try {
    const { folder, iterations } = readArgs(process.argv.slice(2));
    const target = findTarget();
    const say = (line: string) => process.stdout.write(`${line}\n`);
    say(`Running the collection against ${target.baseUrl}${target.host ? ` as ${target.host}` : ''}`);
    const { failed } = await runCollection({ target, folder, iterations, report: reportFile(), progress: true, say });
    process.exitCode = failed > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
