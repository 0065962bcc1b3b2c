import { html, nothing } from './lib/lit-html.js';
import { api, Refused } from './api.js';
import { rows } from './data.js';
import { button, field, older, onSubmit, refusal, submit } from './forms.js';
import { isAdmin } from './session.js';
import { changed, say, state, toggle } from './state.js';
import { dayAndTime, shortType } from './words.js';

/** @import { DeadLetter } from './state.js' */

const everyMs = 2_000;

/** Keeps what the administrator sees up to date. */
export function watchTheShop() {
  setInterval(() => {
    if (state.user && isAdmin()) void readShop();
  }, everyMs);
}

/** Reads the figures, the dead letters, and how far a bulk replay is. */
export async function readShop() {
  try {
    const [letters, bulk, figures] = await Promise.all([
      rows('letters', '/admin/dead-letters'),
      api('GET', '/admin/dead-letters/replay'),
      api('GET', '/admin/figures'),
    ]);
    const events = new Map(state.letters.map(({ id, event }) => [id, event]));
    state.letters = letters.map((letter) => ({ ...letter, event: events.get(letter.id) }));
    state.bulk = bulk;
    state.figures = figures;
    state.refused.delete('letters');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state.refused.set('letters', error);
  }
  changed();
}

/** What the administrator sees: whether the money is right, and what could not be delivered. */
export const admin = () =>
  html`<div class="admin">
    <section aria-labelledby="figures-title">
      <h2 id="figures-title">The last minute</h2>
      ${figures()}
    </section>
    <section aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      <p class="line">${button('ledger', 'Check the ledger', checkLedger)} ${ledgerReport()}</p>
      ${refusal('ledger')}
    </section>
    <section aria-labelledby="letters-title">
      <h2 id="letters-title">Dead letters</h2>
      ${refusal('letters')} ${bulkReplay()} ${letters()} ${older('letters', readShop)}
    </section>
  </div>`;

function figures() {
  if (!state.figures) return nothing;
  const { seconds, orders, decided, medianMs, p99Ms, openChains } = state.figures;
  return html`<dl class="figures">
    <div>
      <dt>Orders a second</dt>
      <dd>${(orders / seconds).toFixed(1)}</dd>
    </div>
    <div>
      <dt>Orders</dt>
      <dd>${orders}, ${decided} decided</dd>
    </div>
    <div>
      <dt>Until the decision</dt>
      <dd>${medianMs === null ? '–' : `${medianMs} ms median, ${p99Ms} ms at most for 99 %`}</dd>
    </div>
    <div>
      <dt>Chains under way</dt>
      <dd>${openChains}</dd>
    </div>
  </dl>`;
}

async function checkLedger() {
  state.ledger = await api('GET', '/admin/ledger/verify');
  say(state.ledger?.balanced ? 'The ledger is balanced.' : 'The ledger is not balanced.');
}

function ledgerReport() {
  const { ledger } = state;
  if (!ledger) return nothing;
  const { balanced, accounts, transfers, orders, differences } = ledger;
  return html`<span id="ledger" class="status ${balanced ? 'paid' : 'rejected'}"
      >${balanced ? 'balanced' : 'not balanced'}</span
    >
    <span>${accounts} accounts, ${transfers} transfers, ${orders} orders</span>
    ${differences.length > 0 ? html`<pre>${JSON.stringify(differences, null, 2)}</pre>` : nothing}`;
}

function bulkReplay() {
  const { bulk } = state;
  const running = bulk !== null && bulk.waiting > 0;
  return html`<form method="post" class="line" @submit=${onSubmit('replay-all', replayAll)}>
      ${field('replay-all', 'rate', 'Events a second', { inputmode: 'numeric' })}
      ${submit('replay-all', 'Replay all that are parked')} ${running ? button('stop', 'Stop', stopReplay) : nothing}
      ${refusal('replay-all')} ${refusal('stop')}
    </form>
    ${
      bulk && bulk.total > 0
        ? html`<p id="bulk">
            The last bulk replay took ${bulk.total}: ${bulk.waiting} wait, ${bulk.replaying} are under way, ${bulk.done}
            are done, ${bulk.parked} came back.
          </p>`
        : nothing
    }`;
}

/** @param {Record<string, string>} fields */
async function replayAll({ rate }) {
  state.bulk = await api('POST', '/admin/dead-letters/replay', { body: { rate: Number(rate) } });
  await readShop();
}

async function stopReplay() {
  state.bulk = await api('DELETE', '/admin/dead-letters/replay');
  await readShop();
}

function letters() {
  if (state.letters.length === 0) return html`<p id="no-letters">Everything was delivered.</p>`;
  return html`<ul class="letters">
    ${state.letters.map(deadLetterRow)}
  </ul>`;
}

/** @param {DeadLetter} letter */
function deadLetterRow(letter) {
  const { id, status, verified, reason, detail, type, eventId, source, times, firstParkedAt, event } = letter;
  const open = state.open.has(id);
  const replay = `replay-${id}`;
  return html`<li data-letter=${eventId}>
    <button type="button" class="title" aria-expanded=${open ? 'true' : 'false'} @click=${() => show(id)}>
      <b>${shortType(type)}</b> <span class="status ${status}">${status}</span>
    </button>
    ${
      status === 'parked'
        ? button(
            replay,
            'Replay',
            async () => {
              await api('POST', `/admin/dead-letters/${id}/replay`);
              await readShop();
            },
            `${shortType(type)} ${eventId}`,
          )
        : nothing
    }
    <small>
      ${dayAndTime(firstParkedAt)} · ${reason}${verified ? '' : ', not published by the shop'} ·
      ${times === 1 ? 'once' : `${times} times`} · ${detail}
    </small>
    ${refusal(replay)}
    ${
      open
        ? html`<dl class="details">
            <dt>Id</dt>
            <dd>${eventId}</dd>
            <dt>Source</dt>
            <dd>${source}</dd>
            <dt>Event</dt>
            <dd><pre>${event === undefined ? '…' : JSON.stringify(event, null, 2)}</pre></dd>
          </dl>`
        : nothing
    }
  </li>`;
}

/** @param {string} id */
async function show(id) {
  toggle(id);
  const letter = state.letters.find((one) => one.id === id);
  if (!letter || letter.event !== undefined) return;
  const { event } = await api('GET', `/admin/dead-letters/${id}`);
  // the list may have been read again meanwhile
  const shown = state.letters.find((one) => one.id === id);
  if (shown) shown.event = event;
  changed();
}
