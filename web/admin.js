import { html, nothing } from './lib/lit-html.js';
import { api, Refused } from './api.js';
import { rows } from './data.js';
import { button, field, older, onSubmit, refusal, submit } from './forms.js';
import { isAdmin } from './session.js';
import { announce, changed, state, toggle } from './state.js';
import { dayAndTime, shortType } from './words.js';

/** @import { DeadLetter } from './state.js' */

const everyMs = 2_000;

/** Keeps the administrator's view up to date. */
export function pollShop() {
  setInterval(() => {
    if (state.user && isAdmin()) void readShop();
  }, everyMs);
}

/** Reads the statistics, the dead letters, and the progress of a bulk replay. */
export async function readShop() {
  try {
    const [deadLetters, bulk, stats] = await Promise.all([
      rows('deadLetters', '/admin/dead-letters'),
      api('GET', '/admin/dead-letters/replay'),
      api('GET', '/admin/figures'),
    ]);
    const events = new Map(state.deadLetters.map(({ id, event }) => [id, event]));
    state.deadLetters = deadLetters.map((deadLetter) => ({ ...deadLetter, event: events.get(deadLetter.id) }));
    state.bulk = bulk;
    state.stats = stats;
    state.refused.delete('deadLetters');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state.refused.set('deadLetters', error);
  }
  changed();
}

/** The administrator's view: statistics, the check of the ledger, and the dead letters. */
export const admin = () =>
  html`<div class="admin">
    <section aria-labelledby="stats-title">
      <h2 id="stats-title">The last minute</h2>
      ${statistics()}
    </section>
    <section aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      <p class="line">${button('ledger', 'Check the ledger', checkLedger)} ${ledgerReport()}</p>
      ${refusal('ledger')}
    </section>
    <section aria-labelledby="dead-letters-title">
      <h2 id="dead-letters-title">Dead letters</h2>
      ${refusal('deadLetters')} ${bulkReplay()} ${deadLetterList()} ${older('deadLetters', readShop, 'dead letters')}
    </section>
  </div>`;

function statistics() {
  if (!state.stats) return nothing;
  const { seconds, orders, decided, medianMs, p99Ms, openChains } = state.stats;
  return html`<dl class="stats">
    <div>
      <dt>Orders per second</dt>
      <dd>${(orders / seconds).toFixed(1)}</dd>
    </div>
    <div>
      <dt>Orders</dt>
      <dd>${orders}, ${decided} decided</dd>
    </div>
    <div>
      <dt>Time to decision</dt>
      <dd>${medianMs === null ? '–' : `${medianMs} ms median, up to ${p99Ms} ms for 99 %`}</dd>
    </div>
    <div>
      <dt>Chains in flight</dt>
      <dd>${openChains}</dd>
    </div>
  </dl>`;
}

async function checkLedger() {
  state.ledger = await api('GET', '/admin/ledger/verify');
  announce(state.ledger?.balanced ? 'The ledger is balanced.' : 'The ledger is not balanced.');
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
      ${field('replay-all', 'rate', 'Events per second', { inputmode: 'numeric' })}
      ${submit('replay-all', 'Replay all parked events')} ${running ? button('stop', 'Stop', stopReplay) : nothing}
      ${refusal('replay-all')} ${refusal('stop')}
    </form>
    ${
      bulk && bulk.total > 0
        ? html`<p id="bulk">
            Last bulk replay, ${bulk.total} events: ${bulk.waiting} waiting, ${bulk.replaying} in flight, ${bulk.done}
            done, ${bulk.parked} parked again.
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

function deadLetterList() {
  if (state.deadLetters.length === 0)
    return html`<p id="no-dead-letters">There are no dead letters: every event was delivered.</p>`;
  return html`<ul class="dead-letters">
    ${state.deadLetters.map(deadLetterRow)}
  </ul>`;
}

/** @param {DeadLetter} deadLetter */
function deadLetterRow(deadLetter) {
  const { id, status, verified, reason, detail, type, eventId, source, times, firstParkedAt, event } = deadLetter;
  const open = state.open.has(id);
  const replay = `replay-${id}`;
  return html`<li data-dead-letter=${eventId}>
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
      ${dayAndTime(firstParkedAt)} · ${reason}${verified ? '' : ', not signed by the shop'} ·
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
  const deadLetter = state.deadLetters.find((one) => one.id === id);
  if (!deadLetter || deadLetter.event !== undefined) return;
  const { event } = await api('GET', `/admin/dead-letters/${id}`);
  // the list may have been read again in the meantime
  const shown = state.deadLetters.find((one) => one.id === id);
  if (shown) shown.event = event;
  changed();
}
