import { html, nothing } from './lib/lit-html.js';
import { arrowOf, lanesOf } from './chain.js';
import { describe, keyOf } from './data.js';
import { button, refusal } from './forms.js';
import { linkOf } from './link.js';
import { announce, changed, state, toggle } from './state.js';
import { shortId, time } from './words.js';

/** @import { TimelineEntry } from './state.js' */
/** @import { Arrow } from './chain.js' */

/** The events of the selected order, as they happen. */
export function flow() {
  const { view, id } = state.place;
  if (view !== 'order') {
    return html`<section class="flow" aria-labelledby="flow-title">
      <h2 id="flow-title">Events</h2>
      <p>Place an order, or choose one, to watch its events here as they happen.</p>
    </section>`;
  }
  const order = state.orders.find((one) => one.id === id);
  return html`<section class="flow" aria-labelledby="flow-title" data-order=${id}>
    <h2 id="flow-title">Events of order <span class="id">${shortId(id)}</span></h2>
    <p class="line">
      <span>${order ? describe(order) : nothing}</span>
      <span class="live ${state.live ? 'on' : 'off'}">${state.live ? 'live' : 'connecting …'}</span>
      ${button('link', 'Link with this timeline', () => share(id))}
    </p>
    ${refusal('timeline')} ${sharedLink(id)} ${diagram(state.timelines.get(id) ?? [])}
  </section>`;
}

/** A timeline from a link, as it was when the link was created. */
export function sharedFlow() {
  const { shared } = state;
  return html`<section class="flow" aria-labelledby="flow-title">
    <h2 id="flow-title">${shared ? html`Events of order <span class="id">${shortId(shared.id)}</span>` : 'Events'}</h2>
    ${
      shared
        ? html`<p class="note">This timeline comes from the link, not from the shop.</p>
            ${diagram(shared.entries)}`
        : html`<p class="refusal" role="alert">The link cannot be read: part of it is missing.</p>`
    }
    <p><a href="#/">To the shop</a></p>
  </section>`;
}

/** The newest link, by the id of its order. @type {Map<string, string>} */
const links = new Map();

/** @param {string} id */
async function share(id) {
  const url = new URL(location.href);
  url.hash = await linkOf(id, state.timelines.get(id) ?? []);
  links.clear();
  links.set(id, url.href);
  changed();
  // exists only under https and on this machine
  await navigator.clipboard?.writeText(url.href).catch(() => undefined);
  announce('The link is shown below the heading.');
}

/** @param {string} id */
const sharedLink = (id) =>
  links.has(id)
    ? html`<p class="share">
        <label for="share">This link shows the events so far: ids and amounts, no names</label>
        <input id="share" readonly .value=${links.get(id) ?? ''} @focus=${selectAll} />
      </p>`
    : nothing;

/** @param {FocusEvent} event */
const selectAll = (event) => /** @type {HTMLInputElement} */ (event.currentTarget).select();

/** Draws functions as lanes, and each entry as an arrow between them. @param {TimelineEntry[]} entries */
function diagram(entries) {
  const arrows = entries.map(arrowOf);
  const lanes = lanesOf(arrows);
  const began = Date.parse(entries[0]?.at ?? '');
  return html`<div class="diagram lanes-${lanes.length}">
    <ul class="lanes" aria-hidden="true">
      ${lanes.map((name) => html`<li>${name}</li>`)}
    </ul>
    <ol class="arrows" aria-label="Events in chronological order">
      ${entries.map((entry, index) => arrow(entry, /** @type {Arrow} */ (arrows[index]), lanes, began))}
    </ol>
  </div>`;
}

/** @param {TimelineEntry} entry @param {Arrow} arrow @param {string[]} lanes @param {number} began */
function arrow(entry, { from, to, tone, text }, lanes, began) {
  const key = keyOf(entry);
  const open = state.open.has(key);
  const [start, end] = [lanes.indexOf(from) + 1, lanes.indexOf(to) + 1];
  const way = start === end ? 'here' : start < end ? 'right' : 'left';
  const place = `from-${Math.min(start, end)} to-${Math.max(start, end)}`;
  const details = `details-${key.replaceAll(/[^\w-]/g, '_')}`;
  const afterMs = Date.parse(entry.at) - began;
  return html`<li data-type=${entry.type}>
    <button
      type="button"
      class="arrow ${way} ${tone} ${place}"
      aria-expanded=${open ? 'true' : 'false'}
      aria-controls=${open ? details : nothing}
      @click=${() => toggle(key)}
    >
      <span class="route">${way === 'here' ? from : `${from} → ${to}`}</span>
      <span class="what">${text}</span>
      <time datetime=${entry.at}>${afterMs >= 10_000 ? time(entry.at) : `+${afterMs} ms`}</time>
    </button>
    ${open ? detailsOf(entry, details, from, to) : nothing}
  </li>`;
}

/** @param {TimelineEntry} entry @param {string} name @param {string} from @param {string} to */
const detailsOf = ({ at, type, id, correlationId, detail }, name, from, to) =>
  html`<dl class="details" id=${name}>
    <dt>Type</dt>
    <dd>${type}</dd>
    <dt>Id</dt>
    <dd>${id}</dd>
    <dt>${type === 'event.due' ? 'Next repeat' : 'Time'}</dt>
    <dd>${at}</dd>
    <dt>From, to</dt>
    <dd>${from}, ${to}</dd>
    <dt>Chain</dt>
    <dd>${correlationId}</dd>
    <dt>Data</dt>
    <dd><pre>${JSON.stringify(detail, null, 2)}</pre></dd>
  </dl>`;
