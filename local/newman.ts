import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import newman, { type NewmanRunSummary } from 'newman';
import type {
  CollectionDefinition,
  Item,
  ItemGroup,
  Request,
  Response,
  VariableScopeDefinition,
} from 'postman-collection';
import { z } from 'zod';
import { sayEnd, sayStep, type CollectionResult, type Step } from '#local/newman-progress.ts';
import { findTarget, type Target } from '#local/target.ts';
import { programSettings } from '#platform/runtime/settings.ts';

const help = `Runs the Postman collection (postman/) against the shop that runs on this machine, or against another one.

  npm run newman                                      the whole collection
  npm run newman -- --folder "What the shop refuses"  one folder of it
  npm run newman -- --iterations 5                    five times, each with new customers
  npm run newman -- --help                            this text

Settings (environment): DATA_DIR .data, where a shop on this machine is found. For another one: BASE_URL, HOST_HEADER
(the public name, where BASE_URL is only the address of an ingress), MAIL_URL (its mail catcher; without one the mails
themselves are not looked at), ADMIN_EMAIL, ADMIN_PASSWORD. REPORT: "xml" (JUnit) or "json" writes a report to
reports/, a path that ends in one of them writes it there.
`;

export interface CollectionRun {
  target: Target;
  /** Only the folder with this name. */
  folder?: string | undefined;
  /** How many times, one after the other; once if it is not given. */
  iterations?: number | undefined;
  /** Where to write a report: JUnit if it ends in `.xml`, JSON otherwise. */
  report?: string | undefined;
  /** Is given every answer. */
  onAnswer?: ((answer: Answer) => void) | undefined;
  /** Is given each line of the progress and of the failures. */
  say?: ((line: string) => void) | undefined;
}

export interface Answer {
  method: string;
  url: string;
  status: number;
  headers: Headers;
  body: string;
}

/** Runs the collection. Throws one sentence if it cannot be run; checks that fail are in the result. */
export async function runCollection(run: CollectionRun): Promise<CollectionResult> {
  const { target, say = () => undefined, report } = run;
  const hide = hider(target.adminPassword);
  const steps: Step[] = [];
  // executions that got no answer, and whose request was answered when it was sent again
  const repeated = new Set<string>();
  const summary = await runNewman(run, (step) => {
    steps.push(step);
    if (step.status !== null) for (const cut of step.cut) repeated.add(cut);
    sayStep(step, steps.at(-2), (line) => say(hide(line)));
  });
  const { stats } = summary.run;
  const failures = summary.run.failures.filter(({ cursor }) => !('ref' in cursor && repeated.has(cursor.ref)));
  const where = new Map(steps.map(({ id, folders, name }) => [id, [...folders, name]]));
  const result = {
    passed: steps.flatMap(({ checks }) => checks).filter(({ passed }) => passed).length,
    failed: failures.length,
    failures: failures.map(({ source, error, at }) => ({
      where: [...(where.get(source?.id ?? '') ?? []), error.test ?? at].join(' › '),
      message: hide(error.message),
    })),
    skipped: steps.filter(({ times }) => times === 0).length,
    requests: steps,
  };
  sayEnd(result, stats.requests.total ?? 0, (line) => say(hide(line)));
  if (report?.endsWith('.xml')) writeFileSync(report, hide(readFileSync(report, 'utf8')));
  else if (report) writeReport(report, hide(JSON.stringify({ baseUrl: target.baseUrl, ...result }, null, 2)));
  return result;
}

function runNewman(run: CollectionRun, onStep: (step: Step) => void): Promise<NewmanRunSummary> {
  const { target, folder, iterations = 1, report } = run;
  const junit = report?.endsWith('.xml');
  spareLoopback();
  return new Promise((resolve, reject) => {
    const emitter = newman.run(
      {
        collection: readPostman<CollectionDefinition>('shop.postman_collection.json'),
        environment: readPostman<VariableScopeDefinition>('local.postman_environment.json'),
        envVar: Object.entries({ host: '', mailUrl: '', ...target }).map(([key, value = '']) => ({ key, value })),
        folder,
        iterationCount: iterations,
        timeoutRequest: 30_000,
        ...(junit && { reporters: ['junit'], reporter: { junit: { export: report } } }),
      },
      (error, summary) => {
        if (error ?? summary.run.executions.length === 0) {
          reject(new Error(`The collection cannot be run: ${error?.message ?? 'nothing in it was sent'}.`));
        } else resolve(summary);
      },
    );
    follow(emitter, onStep);
    if (run.onAnswer) passOn(emitter, run.onAnswer);
  });
}

// newman sends even what stays on this machine through the proxy of HTTP_PROXY
function spareLoopback(): void {
  const spared = process.env['NO_PROXY'] || process.env['no_proxy'] || '127.0.0.1';
  if (spared !== '*') process.env['NO_PROXY'] = `${spared},127.0.0.1,localhost`;
}

const readPostman = <Content>(file: string): Content =>
  JSON.parse(readFileSync(new URL(`../postman/${file}`, import.meta.url), 'utf8')) as Content;

/** Calls `onStep` for each request when it is over; one that repeats itself, because it waits, is one step. */
function follow(emitter: NodeJS.EventEmitter, onStep: (step: Step) => void): void {
  let step: Step | undefined;
  let current = '';
  let beganAt = 0;
  const end = () => step && onStep(step);
  emitter.on('beforeItem', (_: unknown, { item, cursor }: { item: Item; cursor: { iteration: number } }) => {
    const key = `${cursor.iteration} ${item.id}`;
    if (key === current) {
      // what it got no answer to the last time does not count, now that it is sent again
      if (step?.status === null) [step.failed, step.checks] = [false, []];
      return;
    }
    end();
    current = key;
    beganAt = performance.now();
    const { id, name } = item;
    const { iteration } = cursor;
    step = {
      id,
      folders: foldersOf(item),
      name,
      iteration,
      times: 0,
      ms: 0,
      status: null,
      checks: [],
      failed: false,
      cut: [],
    };
  });
  emitter.on(
    'request',
    (error: unknown, { response, cursor }: { response?: { code: number }; cursor: { ref: string } }) => {
      if (!step) return;
      step.times += 1;
      step.status = response?.code ?? null;
      if (!error) return;
      step.failed = true;
      step.cut.push(cursor.ref);
    },
  );
  emitter.on('assertion', (error: unknown, { assertion }: { assertion: string }) => {
    step?.checks.push({ name: assertion, passed: !error });
    if (step && error) step.failed = true;
  });
  emitter.on('script', (error: unknown) => {
    if (step && error) step.failed = true;
  });
  emitter.on('item', () => {
    if (step) step.ms = Math.round(performance.now() - beganAt);
  });
  emitter.on('beforeDone', end);
}

function passOn(emitter: NodeJS.EventEmitter, onAnswer: (answer: Answer) => void): void {
  emitter.on('request', (_: unknown, { request, response }: { request: Request; response?: Response }) => {
    if (!response) return;
    const headers = new Headers(response.headers.map(({ key, value }): [string, string] => [key, value]));
    const { method } = request;
    onAnswer({ method, url: request.url.toString(), status: response.code, headers, body: response.text() ?? '' });
  });
}

// the folders that a request is in; the outermost group is the collection
function foldersOf(item: Item): string[] {
  const names: string[] = [];
  let group = item.parent() as ItemGroup<Item> | undefined;
  for (let outer = parentOf(group); group && outer; outer = parentOf(group)) {
    names.unshift(group.name);
    group = outer;
  }
  return names;
}

const parentOf = (group: ItemGroup<Item> | undefined) => group?.parent() as ItemGroup<Item> | undefined;

/** Takes the administrator's password, and every token, out of a text. */
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
  if (!/^[1-9]\d{0,5}$/.test(iterations)) throw new Error('--iterations takes a whole number from 1 on.');
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
  // newman 6.2 still reads fs.F_OK, which Node 24 warns of
  process.noDeprecation = true;
  try {
    const { folder, iterations } = readArgs(process.argv.slice(2));
    const target = findTarget();
    const say = (line: string) => process.stdout.write(`${line}\n`);
    say(`The collection against ${target.baseUrl}${target.host ? ` as ${target.host}` : ''}`);
    const { failed } = await runCollection({ target, folder, iterations, report: reportFile(), say });
    process.exitCode = failed > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
