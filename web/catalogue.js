import { html, nothing } from './lib/lit-html.js';
import { Refused, sendOnce } from './api.js';
import { refresh } from './data.js';
import { onSubmit, refusal, submit } from './forms.js';
import { announce, changed, state } from './state.js';
import { money, shortId } from './words.js';

let total = 0;

/** The products, and an order of them. */
export function catalogue() {
  const { products } = state;
  const currency = products[0]?.currency ?? '';
  return html`<section aria-labelledby="catalogue-title">
    <h2 id="catalogue-title">Catalogue</h2>
    <form method="post" @input=${sum} @submit=${onSubmit('order', order)}>
      <ul class="products">
        ${products.map(
          ({ sku, name, price, currency: of }) =>
            html`<li>
              <label for=${`sku-${sku}`}>${name}</label>
              <span class="number">${money(price, of)}</span>
              <input id=${`sku-${sku}`} name=${sku} type="number" min="0" max="1000000" placeholder="0" />
            </li>`,
        )}
      </ul>
      ${refusal('order')}
      <p class="sum">
        ${submit('order', 'Order')} ${total > 0 ? html`<output id="total">${money(total, currency)}</output>` : nothing}
      </p>
    </form>
  </section>`;
}

/** @param {Record<string, string>} fields */
const itemsOf = (fields) =>
  Object.entries(fields).flatMap(([sku, typed]) => {
    const quantity = Number(typed);
    return quantity > 0 ? [{ sku, quantity }] : [];
  });

/** @param {InputEvent} event */
function sum(event) {
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const fields = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
  const priceOf = new Map(state.products.map(({ sku, price }) => [sku, price]));
  total = itemsOf(fields).reduce((sum, { sku, quantity }) => sum + quantity * (priceOf.get(sku) ?? 0), 0);
  changed();
}

/** @param {Record<string, string>} fields @param {HTMLFormElement} form */
async function order(fields, form) {
  const items = itemsOf(fields);
  if (items.length === 0)
    throw new Refused('Enter a quantity for at least one product.', { code: 'invalid_body', status: 422 });
  const { id } = await sendOnce('/orders', { items });
  form.reset();
  total = 0;
  announce(`Order ${shortId(id)} was accepted.`);
  location.hash = `#/orders/${id}`;
  await refresh('orders');
}
