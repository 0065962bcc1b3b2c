import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';

export interface MailCatcherOptions {
  /** 0 takes any free port; so does the next. */
  smtpPort: number;
  webPort: number;
  /** Mails are kept in its folder `mail`: the newest 10,000 while it runs, the newest 500 over a restart. */
  dataDir: string;
  /** Called when it ends without `stop`, with a sentence that says how. */
  onExit?: (reason: string) => void;
}

export interface MailCatcher {
  /** `smtp://127.0.0.1:<port>`; takes every mail and passes none on. */
  smtpUrl: string;
  /** `http://127.0.0.1:<port>`: the page to read mails on, and below `/api` the REST API. */
  webUrl: string;
  pid: number;
  /** Ends it. Can be called again. */
  stop(): Promise<void>;
}

interface Failure {
  code?: string;
  port?: number;
  message: string;
}

/** What its process says once, when it has started or has not. */
type Answer = { smtpPort: number; webPort: number } | { failure: Failure };

// left to itself it grew to 480 MB over 60,000 mails
const smallHeap = ['--max-old-space-size=256', '--max-semi-space-size=16', '--heap-growing-percent=100'];

/**
 * Starts maildev 3.0 in a process of its own, on the loopback, and gives it once it takes mails (about a second).
 * It goes when this process goes. Throws one sentence when a port is in use or the folder cannot be written.
 *
 * Its API, as far as tests need it (a mail is `{id, time, read, subject, from: [{address, name}], to, headers, text,
 * html, envelope, …}`, its Message-ID `headers['message-id']`):
 * - `GET /api/email?<path>=<value>&skip=&limit=&sort=desc` – mails with exactly that value at a dotted path, whole and
 *   oldest first: `?to.address=ann@example.org`, `?headers.message-id=<…>`, `?subject=…`; no filter gives all
 * - `GET /api/email/summary?search=<text>&skip=&limit=&sort=asc&unread=true` – `{items, total, storeTotal, unread}`,
 *   newest first, 50 to 200 a page, `text` anywhere in subject, addresses or body
 * - `GET /api/email/:id` (marks it read), `/api/email/:id/html`, `/api/email/:id/source`, `/api/email/:id/download`
 * - `DELETE /api/email/:id`, `DELETE /api/email/all`, `POST /api/email/delete {ids}`, `PATCH /api/email/read-all`
 * - `GET /api/healthz`
 */
export async function startMailCatcher(options: MailCatcherOptions): Promise<MailCatcher> {
  const { smtpPort, webPort, dataDir, onExit } = options;
  const child = fork(
    new URL('mail-catcher-main.ts', import.meta.url),
    [String(smtpPort), String(webPort), join(dataDir, 'mail')],
    // a session of its own: Linux shares its cores out by session first (sched(7), autogroup)
    { execArgv: smallHeap, stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true },
  );
  const { pid } = child;
  if (pid === undefined)
    throw new Error('The mail catcher could not be started.', { cause: await once(child, 'error') });
  // A mail costs the catcher 1 ms, more than an order costs the shop: on a laptop they share the cores, and orders go
  // first. Not the lowest priority: at that, on busy cores, a mail took seconds, near to what a sender gives up after.
  // Set here, at once, so that the threads it is about to start inherit it.
  giveWay(pid, constants.priority.PRIORITY_BELOW_NORMAL);

  const ended = once(child, 'exit').then(([code, signal]) => `ended with ${signal ?? `code ${code}`}`);
  const answer = await Promise.race([once(child, 'message').then(([message]) => message as Answer), ended]);
  if (typeof answer === 'string') throw new Error(`The mail catcher did not start: it ${answer}.`);
  if ('failure' in answer) throw explain(answer.failure, options);

  let stopping: Promise<void> | undefined;
  void ended.then((how) => stopping ?? onExit?.(`The mail catcher (process ${pid}) ${how}`));
  return {
    smtpUrl: `smtp://127.0.0.1:${answer.smtpPort}`,
    webUrl: `http://127.0.0.1:${answer.webPort}`,
    pid,
    stop: () => (stopping ??= stop(child, ended)),
  };
}

function giveWay(pid: number, niceness: number): void {
  setPriority(pid, niceness);
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness));
  } catch {
    // another system, or one that shares by process alone
  }
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.connected) child.disconnect();
  const patience = setTimeout(() => child.kill('SIGKILL'), 2_000);
  await ended;
  clearTimeout(patience);
}

function explain({ code, port, message }: Failure, { smtpPort, dataDir }: MailCatcherOptions): Error {
  if (port === undefined) return new Error(`The mail catcher did not start in ${join(dataDir, 'mail')}: ${message}.`);
  const setting = port === smtpPort ? 'SMTP_PORT' : 'MAIL_PORT';
  const trouble = code === 'EADDRINUSE' ? 'is in use by another program' : `cannot be listened on (${code})`;
  return new Error(`Port ${port} (${setting}) ${trouble}: set ${setting} to another one.`);
}
