import { html, nothing } from './lib/lit-html.js';
import { arrowOf, lanesOf } from './chain.js';
import { describe, keyOf } from './data.js';
import { button, refusal } from './forms.js';
import { linkOf } from './link.js';
import { changed, say, state, toggle } from './state.js';
import { shortId, time } from './words.js';

/** @import { TimelineEntry } from './state.js' */
/** @import { Arrow } from './chain.js' */

/** What happens to the chosen order, as it happens. */
export function flow() {
  const { view, id } = state.place;
  if (view !== 'order') {
    return html`<section class="flow" aria-labelledby="flow-title">
      <h2 id="flow-title">Events</h2>
      <p>Order something, or choose an order: its events are drawn here as they happen.</p>
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
    ${refusal('timeline')} ${sharedLink(id)} ${diagram(state.moments.get(id) ?? [])}
  </section>`;
}

/** A timeline that came with a link, as it was when the link was made. */
export function sharedFlow() {
  const { shared } = state;
  return html`<section class="flow" aria-labelledby="flow-title">
    <h2 id="flow-title">${shared ? html`Events of order <span class="id">${shortId(shared.id)}</span>` : 'Events'}</h2>
    ${
      shared
        ? html`<p class="note">This is what the link says; it is not asked of the shop.</p>
            ${diagram(shared.moments)}`
        : html`<p class="refusal" role="alert">The link cannot be read: a part of it is missing.</p>`
    }
    <p><a href="#/">To the shop</a></p>
  </section>`;
}

/** The links that were asked for, by order. @type {Map<string, string>} */
const links = new Map();

/** @param {string} id */
async function share(id) {
  const url = new URL(location.href);
  url.hash = await linkOf(id, state.moments.get(id) ?? []);
  links.clear();
  links.set(id, url.href);
  changed();
  // only there under https and on this machine
  await navigator.clipboard?.writeText(url.href).catch(() => undefined);
  say('The link is shown below the title.');
}

/** @param {string} id */
const sharedLink = (id) =>
  links.has(id)
    ? html`<p class="share">
        <label for="share">Whoever has this link sees the events until now: ids and amounts, no names</label>
        <input id="share" readonly .value=${links.get(id) ?? ''} @focus=${selectAll} />
      </p>`
    : nothing;

/** @param {FocusEvent} event */
const selectAll = (event) => /** @type {HTMLInputElement} */ (event.currentTarget).select();

/** Functions as lanes, each moment an arrow between them. @param {TimelineEntry[]} moments */
function diagram(moments) {
  const arrows = moments.map(arrowOf);
  const lanes = lanesOf(arrows);
  const began = Date.parse(moments[0]?.at ?? '');
  return html`<div class="diagram lanes-${lanes.length}">
    <ul class="lanes" aria-hidden="true">
      ${lanes.map((name) => html`<li>${name}</li>`)}
    </ul>
    <ol class="arrows" aria-label="Events in the order of their times">
      ${moments.map((moment, index) => arrow(moment, /** @type {Arrow} */ (arrows[index]), lanes, began))}
    </ol>
  </div>`;
}

/** @param {TimelineEntry} moment @param {Arrow} arrow @param {string[]} lanes @param {number} began */
function arrow(moment, { from, to, tone, text }, lanes, began) {
  const key = keyOf(moment);
  const open = state.open.has(key);
  const [start, end] = [lanes.indexOf(from) + 1, lanes.indexOf(to) + 1];
  const way = start === end ? 'here' : start < end ? 'right' : 'left';
  const place = `from-${Math.min(start, end)} to-${Math.max(start, end)}`;
  const details = `details-${key.replaceAll(/[^\w-]/g, '_')}`;
  const afterMs = Date.parse(moment.at) - began;
  return html`<li data-type=${moment.type}>
    <button
      type="button"
      class="arrow ${way} ${tone} ${place}"
      aria-expanded=${open ? 'true' : 'false'}
      aria-controls=${open ? details : nothing}
      @click=${() => toggle(key)}
    >
      <span class="who">${way === 'here' ? from : `${from} → ${to}`}</span>
      <span class="what">${text}</span>
      <time datetime=${moment.at}>${afterMs >= 10_000 ? time(moment.at) : `+${afterMs} ms`}</time>
    </button>
    ${open ? detailsOf(moment, details, from, to) : nothing}
  </li>`;
}

/** @param {TimelineEntry} moment @param {string} name @param {string} from @param {string} to */
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
