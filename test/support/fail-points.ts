import { unlinkSync } from 'node:fs';
import { ClientRequest, ServerResponse } from 'node:http';
import path from 'node:path';
import Mail from 'nodemailer/lib/mailer';
import pg from 'pg';
import { Agent } from 'undici';

// Loaded by tests into the process of a function (`--import`): the process kills itself with SIGKILL at a chosen point of
// its work. The functions do not know of it, and no image contains it. A file `<function> <point>` in the folder FAIL_POINTS
// arms a point; the process that reaches it deletes the file and dies, so each armed point kills once.

const { FAIL_POINTS = '', K_SERVICE } = process.env;

/** Whether a point is armed; disarms it. */
function disarm(point: string): boolean {
  try {
    unlinkSync(path.join(FAIL_POINTS, `${K_SERVICE} ${point}`));
    return true;
  } catch {
    return false;
  }
}

const die = () => void process.kill(process.pid, 'SIGKILL');
const dieAt = (point: string) => void (disarm(point) && die());

type Callback = (error: Error | null, result?: unknown) => void;
type Query = (this: pg.Client, config: { name?: string } | string, ...rest: unknown[]) => unknown;

function wrapStatements(): void {
  const query = pg.Client.prototype.query as unknown as Query;
  const wrapped: Query = function (config, ...rest) {
    const name = typeof config === 'string' ? undefined : config.name;
    if (name === undefined) return Reflect.apply(query, this, [config, ...rest]);
    dieAt(`before ${name}`);
    const within = disarm(`within ${name}`);
    if (within) Reflect.apply(query, this, ['begin', () => undefined]);
    const callback = rest.at(-1) as Callback | undefined;
    if (typeof callback !== 'function') {
      const done = Reflect.apply(query, this, [config, ...rest]) as Promise<unknown>;
      return done.then(
        (result) => {
          if (within) die();
          dieAt(`after ${name}`);
          return result;
        },
        (error: unknown) => {
          if (within) die();
          throw error;
        },
      );
    }
    const wrappedCallback: Callback = (error, result) => {
      if (within) die();
      if (!error) dieAt(`after ${name}`);
      callback(error, result);
    };
    return Reflect.apply(query, this, [config, ...rest.slice(0, -1), wrappedCallback]);
  };
  pg.Client.prototype.query = wrapped as unknown as typeof pg.Client.prototype.query;
}

function wrapReplies(): void {
  const { end } = ServerResponse.prototype;
  ServerResponse.prototype.end = function (this: ServerResponse, ...rest: unknown[]) {
    if (this.req.method === 'POST') {
      dieAt('before reply');
      this.once('finish', () => dieAt('after reply'));
    }
    return Reflect.apply(end, this, rest) as ServerResponse;
  } as typeof end;
}

/** Before an event is posted, and after the response of the broker. */
function wrapPublishing(): void {
  const { end } = ClientRequest.prototype;
  ClientRequest.prototype.end = function (this: ClientRequest, ...rest: unknown[]) {
    if (this.hasHeader('ce-id')) {
      dieAt('before publishing');
      this.prependOnceListener('response', () => dieAt('after publishing'));
    }
    return Reflect.apply(end, this, rest) as ClientRequest;
  } as typeof end;
}

/** Before and after a call that returns a promise. */
function wrapCalls(prototype: object, method: string, what: string): void {
  const methods = prototype as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const call = methods[method];
  if (!call) throw new Error(`there is no method ${method} to wrap`);
  methods[method] = async function (this: unknown, ...args: unknown[]) {
    dieAt(`before ${what}`);
    const result = await Reflect.apply(call, this, args);
    dieAt(`after ${what}`);
    return result;
  };
}

if (K_SERVICE && FAIL_POINTS) {
  wrapStatements();
  wrapReplies();
  wrapCalls(Mail.prototype, 'sendMail', 'mail');
  wrapPublishing();
  wrapCalls(Agent.prototype, 'request', 'call');
}
