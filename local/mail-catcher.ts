import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';

export interface MailCatcherOptions {
  /** 0 selects a free port, here and below. */
  smtpPort: number;
  webPort: number;
  /** Mails are stored in its folder `mail`: the newest 10,000 while it runs, the newest 500 after a restart. */
  dataDir: string;
  /** Called with one sentence when it exits without `stop`. */
  onExit?: (reason: string) => void;
}

export interface MailCatcher {
  /** `smtp://127.0.0.1:<port>`; accepts every mail and forwards none. */
  smtpUrl: string;
  /** `http://127.0.0.1:<port>`: a page to read the mails, and a REST API below `/api`. */
  webUrl: string;
  pid: number;
  /** Idempotent. */
  stop(): Promise<void>;
}

interface Failure {
  code?: string;
  port?: number;
  message: string;
}

/** The only message that its process sends. */
type StartMessage = { smtpPort: number; webPort: number } | { failure: Failure };

// without limits its memory grew to 480 MB over 60,000 mails
const smallHeap = ['--max-old-space-size=256', '--max-semi-space-size=16', '--heap-growing-percent=100'];

/**
 * Starts maildev 3.0 in its own process, on the loopback. Resolves once it accepts mails (about a second). It
 * exits with this process. Throws one sentence when a port is in use or the folder cannot be written.
 *
 * The parts of its API that tests use (a mail is `{id, time, read, subject, from: [{address, name}], to, headers, text,
 * html, envelope, …}`, its Message-ID `headers['message-id']`):
 * - `GET /api/email?<path>=<value>&skip=&limit=&sort=desc` – mails with exactly that value at a dotted path, complete and
 *   oldest first: `?to.address=ann@example.org`, `?headers.message-id=<…>`, `?subject=…`; without a filter all
 * - `GET /api/email/summary?search=<text>&skip=&limit=&sort=asc&unread=true` – `{items, total, storeTotal, unread}`,
 *   newest first, 50 to 200 per page, `text` anywhere in subject, addresses or body
 * - `GET /api/email/:id` (marks it read), `/api/email/:id/html`, `/api/email/:id/source`, `/api/email/:id/download`
 * - `DELETE /api/email/:id`, `DELETE /api/email/all`, `POST /api/email/delete {ids}`, `PATCH /api/email/read-all`
 * - `GET /api/healthz`
 */
export async function startMailCatcher(options: MailCatcherOptions): Promise<MailCatcher> {
  const { smtpPort, webPort, dataDir, onExit } = options;
  const child = fork(
    new URL('mail-catcher-main.ts', import.meta.url),
    [String(smtpPort), String(webPort), join(dataDir, 'mail')],
    // a separate session: Linux distributes CPU time among sessions first (sched(7), autogroup)
    { execArgv: smallHeap, stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true },
  );
  const { pid } = child;
  if (pid === undefined)
    throw new Error('The mail catcher could not be started.', { cause: await once(child, 'error') });
  // A mail takes the catcher 1 ms of CPU, more than an order takes the shop, so orders get priority on shared cores. At
  // the lowest priority a mail took seconds on busy cores, close to the timeout of its sender. Set at once, so that the
  // catcher's threads inherit it.
  lowerPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);

  const exited = once(child, 'exit').then(([code, signal]) => `exited with ${signal ?? `code ${code}`}`);
  const started = await Promise.race([once(child, 'message').then(([message]) => message as StartMessage), exited]);
  if (typeof started === 'string') throw new Error(`The mail catcher did not start: it ${started}.`);
  if ('failure' in started) throw explain(started.failure, options);

  let stopping: Promise<void> | undefined;
  void exited.then((how) => stopping ?? onExit?.(`The mail catcher (process ${pid}) ${how}`));
  return {
    smtpUrl: `smtp://127.0.0.1:${started.smtpPort}`,
    webUrl: `http://127.0.0.1:${started.webPort}`,
    pid,
    stop: () => (stopping ??= stop(child, exited)),
  };
}

function lowerPriority(pid: number, niceness: number): void {
  setPriority(pid, niceness);
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness));
  } catch {
    // not Linux, or a kernel without autogroup
  }
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.connected) child.disconnect();
  const timeout = setTimeout(() => child.kill('SIGKILL'), 2_000);
  await exited;
  clearTimeout(timeout);
}

function explain({ code, port, message }: Failure, { smtpPort, dataDir }: MailCatcherOptions): Error {
  if (port === undefined) return new Error(`The mail catcher did not start in ${join(dataDir, 'mail')}: ${message}.`);
  const setting = port === smtpPort ? 'SMTP_PORT' : 'MAIL_PORT';
  const problem = code === 'EADDRINUSE' ? 'is in use by another program' : `cannot be opened (${code})`;
  return new Error(`Port ${port} (${setting}) ${problem}: set ${setting} to another one.`);
}
