import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';

/** A mail as it arrived. */
export interface Mail {
  /** The Message-ID without its brackets and domain: the id of the notification. */
  notificationId: string;
  to: string;
  subject: string;
  /** What can be read in it. */
  text: string;
}

/** Where a mail server can make trouble: as it is reached, as it hears to whom, as it has the whole mail. */
export type MailStep = 'connection' | 'recipient' | 'mail';

/** What it does in place of going on, or before that. */
export interface MailFailures {
  afterMs?: number;
  /** What it answers: 4xx for now, 5xx for good. */
  code?: number;
  /** It cuts the connection and answers nothing; a whole mail it has taken all the same. */
  isCut?: boolean;
}

/** A mail server of the test: it outlives the shop that is killed, and can be down or in trouble itself. */
export interface Mailbox {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** How often each mail was taken and its sender not told so, by the id of the notification. */
  readonly untold: ReadonlyMap<string, number>;
  /** Asked at each step. */
  trouble?: ((step: MailStep) => MailFailures | undefined) | undefined;
  open(): Promise<void>;
  /** Cuts all connections and takes no new one. */
  close(): Promise<void>;
}

/** Addresses that begin with this are refused for good (550). */
export const refusedPrefix = 'refused-';

export async function openMailbox(port: number): Promise<Mailbox> {
  const mails: Mail[] = [];
  const untold = new Map<string, number>();
  let server: SMTPServer | undefined;
  const mailbox: Mailbox = {
    port,
    mails,
    untold,
    open: async () => {
      server = listener(mailbox, (mail) => mails.push(mail), untold);
      server.listen(port, '127.0.0.1');
      await once(server.server, 'listening');
    },
    close: async () => {
      const closing = server;
      server = undefined;
      if (closing) await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
  await mailbox.open();
  return mailbox;
}

function listener(mailbox: Mailbox, take: (mail: Mail) => void, untold: Map<string, number>): SMTPServer {
  /** Throws if the step is refused; gives false if nothing is to be answered. */
  const goesOn = async (step: MailStep, session: SMTPServerSession): Promise<boolean> => {
    const { afterMs = 0, code, isCut = false } = mailbox.trouble?.(step) ?? {};
    if (afterMs > 0) await pause(afterMs);
    if (code !== undefined) throw Object.assign(new Error('Not this one'), { responseCode: code });
    if (isCut) cut(server, session);
    return !isCut;
  };
  const receive = async (raw: string, session: SMTPServerSession): Promise<boolean> => {
    const mail = readMail(raw, session.envelope.rcptTo[0]?.address ?? '');
    const isNotified = await goesOn('mail', session);
    if (!isNotified) untold.set(mail.notificationId, (untold.get(mail.notificationId) ?? 0) + 1);
    take(mail);
    return isNotified;
  };
  const server: SMTPServer = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 50, // after that, open connections are cut
    onConnect: (session, callback) => {
      goesOn('connection', session).then((does) => does && callback(), callback);
    },
    onRcptTo: ({ address }, session, callback) => {
      if (address.startsWith(refusedPrefix)) {
        return callback(Object.assign(new Error('No such person here'), { responseCode: 550 }));
      }
      goesOn('recipient', session).then((does) => does && callback(), callback);
    },
    onData: (stream, session, callback) => {
      text(stream)
        .then((raw) => receive(raw, session))
        .then((does) => does && callback(), callback);
    },
  });
  server.on('error', () => undefined); // a client that was killed while it sent
  return server;
}

function cut({ connections }: SMTPServer, session: SMTPServerSession): void {
  // what smtp-server keeps of a connection, and does not give out
  for (const connection of connections as Set<{ session: SMTPServerSession; ['_socket']: { destroy(): void } }>) {
    if (connection.session === session) connection['_socket'].destroy();
  }
}

function readMail(raw: string, to: string): Mail {
  // folded headers (RFC 5322, section 2.2.3) and soft line breaks (RFC 2045, section 6.7)
  const text = raw.replaceAll(/\r\n[ \t]+/g, ' ').replaceAll(/=\r\n/g, '');
  const header = (name: string) => new RegExp(`^${name}: (.*?)\\r?$`, 'im').exec(text)?.[1] ?? '';
  return { notificationId: notificationOf(header('Message-ID')), to, subject: header('Subject'), text };
}

/** `<id@domain>` → `id`. */
export const notificationOf = (messageId: string): string => /^<([^@>]+)@/.exec(messageId)?.[1] ?? messageId;

/** Every mail that the shop's own catcher has. */
export async function mailsIn(mailUrl: string): Promise<Mail[]> {
  const answer = await fetch(`${mailUrl}/api/email`);
  const caught = (await answer.json()) as {
    subject: string;
    text: string;
    to: { address: string }[];
    headers: { 'message-id': string };
  }[];
  return caught.map(({ subject, text, to, headers }) => ({
    notificationId: notificationOf(headers['message-id']),
    to: to[0]?.address ?? '',
    subject,
    text,
  }));
}
