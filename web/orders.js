import { html, nothing } from './lib/lit-html.js';
import { api } from './api.js';
import { refresh } from './data.js';
import { button, older, refusal } from './forms.js';
import { state } from './state.js';
import { dayAndTime, money, shortId, why } from './words.js';

/** @import { Order } from './state.js' */

/** The orders with their status, and a cancel. */
export function orders() {
  return html`<section aria-labelledby="orders-title">
    <h2 id="orders-title">Orders</h2>
    ${state.orders.length === 0 ? html`<p>You have not ordered yet.</p>` : nothing}
    <ul class="orders">
      ${state.orders.map(row)}
    </ul>
    ${older('orders', () => refresh('orders'))}
  </section>`;
}

/** @param {Order} order */
function row({ id, status, reason, total, currency, items, createdAt }) {
  const chosen = state.place.id === id;
  const cancel = `cancel-${id}`;
  return html`<li data-order=${id} class=${chosen ? 'chosen' : ''}>
    <a href=${`#/orders/${id}`} aria-current=${chosen ? 'true' : 'false'}>
      <span class="unseen">Order</span> <span class="id">${shortId(id)}</span>
      <span>${items.map(({ quantity, name }) => `${quantity} × ${name}`).join(', ')}</span>
    </a>
    <span class="number">${money(total, currency)}</span>
    <span class="status ${status}">${status}</span>
    <small>${dayAndTime(createdAt)}${reason ? ` · ${why(reason)}` : ''}</small>
    ${
      status === 'pending' || status === 'paid'
        ? button(
            cancel,
            'Cancel',
            async () => {
              location.hash = `#/orders/${id}`;
              await api('POST', `/orders/${id}/cancel`);
              await refresh('orders', 'timeline');
            },
            `order ${shortId(id)}`,
          )
        : nothing
    }
    ${refusal(cancel)}
  </li>`;
}
