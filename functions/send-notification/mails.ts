import type { EventData } from '#platform/events/event.ts';
import { formatMoney } from '#platform/values/money.ts';

export type Template =
  'welcome' | 'deposit-received' | 'order-paid' | 'order-rejected' | 'order-refunded' | 'order-canceled';

/** What a mail is made of. */
export interface MailContent {
  id: string;
  template: Template;
  recipient: string;
  name: string;
  subject: string;
  detail: EventData & { orderId?: string; amount?: number; total?: number; currency?: string; reason?: string };
  lines: { name: string; quantity: number; unitPrice: number }[] | null;
}

/** The subject of a mail. */
export function subjectOf(template: Template, { orderId }: { orderId?: string }): string {
  switch (template) {
    case 'welcome':
      return 'Welcome to the shop';
    case 'deposit-received':
      return 'Your deposit has arrived';
    case 'order-paid':
      return `Your order ${orderId} is confirmed`;
    case 'order-rejected':
      return `Your order ${orderId} could not be accepted`;
    case 'order-refunded':
      return `Your order ${orderId} is canceled and refunded`;
    case 'order-canceled':
      return `Your order ${orderId} is canceled`;
    default:
      return template satisfies never;
  }
}

/** The text of a mail, and the same as HTML. */
export function renderMail(mail: MailContent): { text: string; html: string } {
  const paragraphs = [`Hello ${mail.name},`, ...body(mail), 'Your shop'];
  const table = lines(mail);
  const at = paragraphs.length - 1;
  const text = [...paragraphs.slice(0, at), ...(table.length > 0 ? [table.map(textRow).join('\n')] : []), 'Your shop'];
  const html = [
    ...paragraphs.slice(0, at).map((paragraph) => `<p>${escape(paragraph)}</p>`),
    ...(table.length > 0 ? [`<table>${table.map(htmlRow).join('')}</table>`] : []),
    '<p>Your shop</p>',
  ];
  return {
    text: `${text.join('\n\n')}\n`,
    html: `<!doctype html><html lang="en"><body>${html.join('')}</body></html>`,
  };
}

/** The subject, text and HTML of a digest: the oldest of `total` notifications, without the lines of their orders. */
export function renderDigest(
  name: string,
  total: number,
  entries: Pick<MailContent, 'template' | 'subject' | 'detail'>[],
): { subject: string; text: string; html: string } {
  const intro = 'A lot has happened in the last hour, so here it is in one mail:';
  const more = total > entries.length ? [`And ${total - entries.length} more. You find all of them in the shop.`] : [];
  const items = entries.map((entry) => ({ title: entry.subject, summary: body(entry).join(' ') }));
  const text = [
    `Hello ${name},`,
    intro,
    ...items.map(({ title, summary }) => `- ${title}\n  ${summary}`),
    ...more,
    'Your shop',
  ];
  const list = items.map(({ title, summary }) => `<li><b>${escape(title)}</b><br>${escape(summary)}</li>`).join('');
  const html = [
    `<p>${escape(`Hello ${name},`)}</p>`,
    `<p>${intro}</p>`,
    `<ul>${list}</ul>`,
    ...more.map((line) => `<p>${line}</p>`),
    '<p>Your shop</p>',
  ];
  return {
    subject: `${total} messages from your shop`,
    text: `${text.join('\n\n')}\n`,
    html: `<!doctype html><html lang="en"><body>${html.join('')}</body></html>`,
  };
}

function body({ template, detail }: Pick<MailContent, 'template' | 'detail'>): string[] {
  const { orderId, reason, currency = '' } = detail;
  const total = formatMoney(detail.total ?? 0, currency);
  switch (template) {
    case 'welcome':
      return ['Welcome! Your account is open. Make a deposit, and place your first order.'];
    case 'deposit-received':
      return [`We have received your deposit of ${formatMoney(detail.amount ?? 0, currency)}. Thank you.`];
    case 'order-paid':
      return [`Your order ${orderId} is confirmed. We have charged ${total} to your account.`];
    case 'order-rejected':
      return [`We could not accept your order ${orderId} of ${total}: ${describe(reason)}`, 'You were not charged.'];
    case 'order-refunded':
      return [`Your order ${orderId} is canceled, as you asked. We have returned ${total} to your account.`];
    case 'order-canceled':
      return [`Your order ${orderId} of ${total} is canceled, as you asked.`, 'You were not charged.'];
    default:
      return template satisfies never;
  }
}

function describe(reason: string | undefined): string {
  switch (reason) {
    case 'insufficient_funds':
      return 'the balance of your account is too low. Please make a deposit, and order again.';
    case 'currency_mismatch':
      return 'your account has a different currency than the order.';
    case 'account_not_found':
      return 'your account could not be opened. Please contact us.';
    case 'order_canceled':
      return 'it was canceled.';
    default:
      return 'please contact us.';
  }
}

type PriceRow = readonly [what: string, price: string];

function lines({ lines: items, detail: { total, currency = '' } }: MailContent): PriceRow[] {
  if (!items || total === undefined) return [];
  const rows = items.map(({ name, quantity, unitPrice }): PriceRow => [
    `${quantity} × ${name} at ${formatMoney(unitPrice, currency)}`,
    formatMoney(quantity * unitPrice, currency),
  ]);
  return [...rows, ['Total', formatMoney(total, currency)]];
}

const textRow = ([what, price]: PriceRow) => `${what.padEnd(40)} ${price.padStart(16)}`;
const htmlRow = ([what, price]: PriceRow) => `<tr><td>${escape(what)}</td><td align="right">${escape(price)}</td></tr>`;

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
