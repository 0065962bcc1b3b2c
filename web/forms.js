import { html, nothing } from './lib/lit-html.js';
import { Refused } from './api.js';
import { changed, say, state } from './state.js';

/** @import { TemplateResult } from './lib/lit-html.js' */

/**
 * Carries out what a form or button stands for, once at a time, and shows under its name what was refused.
 *
 * @param {string} name
 * @param {() => Promise<void>} act
 */
export async function attempt(name, act) {
  if (state.busy.has(name)) return;
  state.busy.add(name);
  state.refused.delete(name);
  changed();
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state.refused.set(name, error);
  } finally {
    state.busy.delete(name);
    changed();
  }
}

/**
 * A handler for `submit`: gives the fields as texts.
 *
 * @param {string} name
 * @param {(fields: Record<string, string>, form: HTMLFormElement) => Promise<void>} act
 */
export const onSubmit = (name, act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const fields = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
  return attempt(name, () => act(fields, form));
};

/** What was refused, under the form of this name. @param {string} name */
export function refusal(name) {
  const refused = state.refused.get(name);
  if (!refused) return nothing;
  const others = refused.errors.filter(({ field }) => !shownBeside(name, field));
  const marked = refused.errors.length > 0 && others.length === 0;
  return html`<div class="refusal" role="alert" data-code=${refused.code}>
    ${marked ? 'Please correct what is marked.' : refused.message}
    ${others.map(({ field, message }) => html`<br />${field}: ${message}`)}
  </div>`;
}

const shownBeside = (/** @type {string} */ name, /** @type {string} */ field) =>
  document.getElementById(`${name}-${field}`) !== null;

/**
 * A labelled field with what is wrong with it.
 *
 * @param {string} form
 * @param {string} name as the API calls it
 * @param {string} label
 * @param {{ type?: string, autocomplete?: string, inputmode?: string, minlength?: number, hint?: string }} [more]
 */
export function field(form, name, label, more = {}) {
  const { type = 'text', autocomplete = 'off', inputmode = 'text', minlength, hint } = more;
  const id = `${form}-${name}`;
  const wrong = state.refused.get(form)?.errors.find((error) => error.field === name);
  const about = wrong || hint ? `${id}-about` : nothing;
  return html`<label for=${id}>${label}</label>
    <input
      id=${id}
      name=${name}
      type=${type}
      inputmode=${inputmode}
      autocomplete=${autocomplete}
      required
      minlength=${minlength ?? nothing}
      aria-invalid=${wrong ? 'true' : 'false'}
      aria-describedby=${about}
    />
    ${wrong || hint ? html`<small id=${`${id}-about`}>${wrong?.message ?? hint}</small>` : nothing}`;
}

/**
 * A button that shows that its work is under way. It is never disabled, because that would take the focus away.
 *
 * @param {string} name
 * @param {string | TemplateResult} label
 */
export const submit = (name, label) =>
  html`<button aria-busy=${state.busy.has(name) ? 'true' : 'false'}>${label}</button>`;

/**
 * @param {string} name
 * @param {string} label
 * @param {() => Promise<void>} act
 * @param {string} [about] what it is about, for whoever does not see where it stands
 */
export const button = (name, label, act, about = '') =>
  html`<button
    type="button"
    class="small"
    aria-busy=${state.busy.has(name) ? 'true' : 'false'}
    @click=${() => attempt(name, act)}
  >
    ${label}${about ? html`<span class="unseen"> ${about}</span>` : nothing}
  </button>`;

/**
 * Asks for older rows of a list.
 *
 * @param {'entries' | 'orders' | 'mails' | 'letters'} list
 * @param {() => Promise<void>} refresh
 */
export const older = (list, refresh) =>
  state.more[list]
    ? button(
        `older-${list}`,
        'Show older',
        async () => {
          state.wanted[list] += 50;
          await refresh();
          say('Older ones are shown.');
        },
        list,
      )
    : nothing;
