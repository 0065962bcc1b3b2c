import { html, nothing } from './lib/lit-html.js';
import { Refused, sendOnce } from './api.js';
import { refresh } from './data.js';
import { field, older, onSubmit, refusal, submit } from './forms.js';
import { announce, state } from './state.js';
import { dayAndTime, minorUnits, money, shortId } from './words.js';

/** The balance, its entries, and a deposit. */
export function account() {
  const { account: mine, entries } = state;
  if (!mine) {
    return html`<section aria-labelledby="account-title">
      <h2 id="account-title">Account</h2>
      <p>Your account is being opened …</p>
    </section>`;
  }
  const { balance, currency } = mine;
  return html`<section aria-labelledby="account-title">
    <h2 id="account-title">Account</h2>
    <p class="balance"><span>Balance</span> <output id="balance">${money(balance, currency)}</output></p>
    <form method="post" class="line" @submit=${onSubmit('deposit', (fields, form) => deposit(fields, form, currency))}>
      ${field('deposit', 'amount', `Deposit (${currency.toUpperCase()})`, { inputmode: 'decimal' })}
      ${submit('deposit', 'Deposit')} ${refusal('deposit')}
    </form>
    ${
      entries.length === 0
        ? nothing
        : html`<table id="entries">
            <caption class="unseen">
              The entries of the account, newest first
            </caption>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col" class="number">Amount</th>
                <th scope="col" class="number">Balance</th>
              </tr>
            </thead>
            <tbody>
              ${entries.map(
                ({ kind, amount, balance: left, orderId, createdAt }) =>
                  html`<tr>
                    <td>${dayAndTime(createdAt)}</td>
                    <td>
                      ${kind}${orderId ? html` <a href=${`#/orders/${orderId}`}>${shortId(orderId)}</a>` : nothing}
                    </td>
                    <td class="number">${money(amount, currency)}</td>
                    <td class="number">${money(left, currency)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
    ${older('entries', () => refresh('account'))}
  </section>`;
}

/** @param {Record<string, string>} fields @param {HTMLFormElement} form @param {string} currency */
async function deposit({ amount = '' }, form, currency) {
  const minor = minorUnits(amount);
  if (Number.isNaN(minor)) {
    const errors = [{ field: 'amount', message: 'Please enter an amount, such as 1000 or 12.50.' }];
    throw new Refused('This is not an amount.', { code: 'invalid_body', status: 422, errors });
  }
  const { balance } = await sendOnce('/accounts/me/deposits', { amount: minor, currency });
  form.reset();
  announce(`Your deposit has arrived. Your balance is ${money(balance, currency)}.`);
  await refresh('account');
}
