import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

/** A mail as it arrived. */
export interface Mail {
  /** The Message-ID without its brackets and domain: the id of the notification. */
  notificationId: string;
  to: string;
  subject: string;
  /** What can be read in it. */
  text: string;
}

/** A mail server of the test: it outlives the shop that is killed, and can be down itself. */
export interface Mailbox {
  readonly port: number;
  readonly mails: readonly Mail[];
  open(): Promise<void>;
  /** Cuts all connections and takes no new one. */
  close(): Promise<void>;
}

/** Addresses that begin with this are refused for good (550). */
export const refusedPrefix = 'refused-';

export async function openMailbox(port: number): Promise<Mailbox> {
  const mails: Mail[] = [];
  let server: SMTPServer | undefined;
  const mailbox: Mailbox = {
    port,
    mails,
    open: async () => {
      server = listener(mails);
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

function listener(mails: Mail[]): SMTPServer {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 50, // after that, open connections are cut
    onRcptTo: ({ address }, _session, callback) => {
      if (!address.startsWith(refusedPrefix)) return callback();
      callback(Object.assign(new Error('No such person here'), { responseCode: 550 }));
    },
    onData: (stream, { envelope }, callback) => {
      text(stream).then(
        (raw) => {
          mails.push(readMail(raw, envelope.rcptTo[0]?.address ?? ''));
          callback();
        },
        (error: Error) => callback(error),
      );
    },
  });
  server.on('error', () => undefined); // a client that was killed while it sent
  return server;
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
