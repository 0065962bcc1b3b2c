import { html, nothing } from './lib/lit-html.js';
import { refresh } from './data.js';
import { older } from './forms.js';
import { state } from './state.js';
import { dayAndTime, shortId } from './words.js';

/** The mails that were sent or are queued. */
export function mails() {
  return html`<section aria-labelledby="mails-title">
    <h2 id="mails-title">Mails</h2>
    <ul class="mails">
      ${state.mails.map(
        ({ orderId, to, subject, status, createdAt }) =>
          html`<li>
            <span>${subject}</span> <span class="status ${status}">${status}</span>
            <small>
              ${dayAndTime(createdAt)} · to ${to}
              ${orderId ? html` · <a href=${`#/orders/${orderId}`}>order ${shortId(orderId)}</a>` : nothing}
            </small>
          </li>`,
      )}
    </ul>
    ${older('mails', () => refresh('mails'))}
  </section>`;
}
