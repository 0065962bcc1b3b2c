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
  /** Headers and body, unfolded. */
  text: string;
}

/** The steps of SMTP that can fail: the connection, RCPT TO, and the end of DATA. */
export type MailStep = 'connection' | 'recipient' | 'mail';

/** How a step fails or is delayed. */
export interface MailFailures {
  afterMs?: number;
  /** The reply code: 4xx is transient, 5xx permanent. */
  code?: number;
  /** Cuts the connection without a reply. A complete mail is accepted all the same. */
  isCut?: boolean;
}

/** A mail server in the process of the test: it outlives kills of the shop, and can fail or be down itself. */
export interface Mailbox {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** How often each mail was accepted without a reply to its sender, by the id of the notification. */
  readonly unconfirmed: ReadonlyMap<string, number>;
  /** Called at each step; returns how it fails. */
  failure?: ((step: MailStep) => MailFailures | undefined) | undefined;
  open(): Promise<void>;
  /** Cuts all connections and accepts no new ones. */
  close(): Promise<void>;
}

/** Addresses with this prefix are refused permanently (550). */
export const refusedPrefix = 'refused-';

export async function openMailbox(port: number): Promise<Mailbox> {
  const mails: Mail[] = [];
  const unconfirmed = new Map<string, number>();
  let server: SMTPServer | undefined;
  const mailbox: Mailbox = {
    port,
    mails,
    unconfirmed,
    open: async () => {
      server = listener(mailbox, (mail) => mails.push(mail), unconfirmed);
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

function listener(mailbox: Mailbox, accept: (mail: Mail) => void, unconfirmed: Map<string, number>): SMTPServer {
  /** Throws if the step is refused; resolves with false if it gets no reply. */
  const pass = async (step: MailStep, session: SMTPServerSession): Promise<boolean> => {
    const { afterMs = 0, code, isCut = false } = mailbox.failure?.(step) ?? {};
    if (afterMs > 0) await pause(afterMs);
    if (code !== undefined) throw Object.assign(new Error('Failed by the test'), { responseCode: code });
    if (isCut) cut(server, session);
    return !isCut;
  };
  const receive = async (raw: string, session: SMTPServerSession): Promise<boolean> => {
    const mail = readMail(raw, session.envelope.rcptTo[0]?.address ?? '');
    const isConfirmed = await pass('mail', session);
    if (!isConfirmed) unconfirmed.set(mail.notificationId, (unconfirmed.get(mail.notificationId) ?? 0) + 1);
    accept(mail);
    return isConfirmed;
  };
  const server: SMTPServer = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 50, // then open connections are cut
    onConnect: (session, callback) => {
      pass('connection', session).then((passed) => passed && callback(), callback);
    },
    onRcptTo: ({ address }, session, callback) => {
      if (address.startsWith(refusedPrefix)) {
        return callback(Object.assign(new Error('No such mailbox'), { responseCode: 550 }));
      }
      pass('recipient', session).then((passed) => passed && callback(), callback);
    },
    onData: (stream, session, callback) => {
      text(stream)
        .then((raw) => receive(raw, session))
        .then((passed) => passed && callback(), callback);
    },
  });
  server.on('error', () => undefined); // a client that was killed while it sent
  return server;
}

function cut({ connections }: SMTPServer, session: SMTPServerSession): void {
  // smtp-server does not expose the socket of a session
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

/** Every mail in the mail catcher of the shop. */
export async function mailsIn(mailUrl: string): Promise<Mail[]> {
  const response = await fetch(`${mailUrl}/api/email`);
  const caught = (await response.json()) as {
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
