import { html, nothing, render } from './lib/lit-html.js';
import { account } from './account.js';
import { admin, pollShop, readShop } from './admin.js';
import { onSessionEnd, Refused } from './api.js';
import { catalogue } from './catalogue.js';
import { readProducts, readUser, refresh } from './data.js';
import { gateway } from './gateway.js';
import { flow, sharedFlow } from './flow.js';
import { refusal } from './forms.js';
import { timelineOf } from './link.js';
import { follow, pollWhileQuiet, stopFollowing } from './live.js';
import { mails } from './mails.js';
import { orders } from './orders.js';
import { dropToken, isAdmin, token } from './session.js';
import { announce, changed, forget, onChange, state } from './state.js';

const page = /** @type {HTMLElement} */ (document.getElementById('page'));
let notice = '';

const view = () =>
  html`<header class="top">
      <h1><a href="#/">Knative shop</a></h1>
      ${
        state.user
          ? html`<p class="session">
              <span>${state.user.name} · ${state.user.email}</span>
              <button type="button" class="small" @click=${() => logOut('')}>Log out</button>
            </p>`
          : nothing
      }
    </header>
    <main>
      ${notice ? html`<p class="note" role="status">${notice}</p>` : nothing} ${refusal('data')} ${content()}
    </main>`;

function content() {
  if (state.place.view === 'shared') return sharedFlow();
  if (token() === null) return gateway(enter);
  if (!state.user) return html`<p>Loading …</p>`;
  if (isAdmin()) return admin();
  return html`<div class="columns">
    <div class="shop">${account()} ${catalogue()} ${orders()} ${mails()}</div>
    ${flow()}
  </div>`;
}

/** Shows the data of the logged-in user, and keeps it up to date. */
async function enter() {
  notice = '';
  try {
    await readUser();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // the session has ended, and the page says so
    if (token() === null) return;
    notice = error.message;
    changed();
    setTimeout(() => void enter(), 2_000);
    return;
  }
  announce(`Logged in as ${state.user?.name ?? ''}.`);
  if (isAdmin()) {
    await readShop();
    return;
  }
  void follow();
  await Promise.all([readProducts(), refresh('account', 'orders', 'mails', 'timeline')]);
}

/** @param {string} why */
function logOut(why) {
  stopFollowing();
  dropToken();
  forget();
  notice = why;
  changed();
}

async function readPlace() {
  const [, view = '', id = ''] = location.hash.split('/');
  const shared = view === 'shared' ? await timelineOf(id) : null;
  if (location.hash.split('/')[2] !== id && id !== '') return;
  state.shared = shared;
  state.place = { view: view === 'orders' ? 'order' : view === 'shared' ? 'shared' : 'shop', id };
  state.refused.delete('timeline');
  changed();
  if (state.user && !isAdmin()) await refresh('timeline');
}

page.replaceChildren();
onChange(() => void render(view(), page));
onSessionEnd(() => logOut('Your session has ended. Please log in again to continue where you were.'));
addEventListener('hashchange', () => void readPlace());
pollWhileQuiet();
pollShop();
await readPlace();
if (token() !== null) await enter();
