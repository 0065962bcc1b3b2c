import { html, nothing } from './lib/lit-html.js';
import { Refused } from './api.js';
import { announce, changed, state } from './state.js';

/** @import { TemplateResult } from './lib/lit-html.js' */

/**
 * Carries out the action of a form or button, one at a time, and shows a refusal under its name.
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
 * A handler for `submit` that passes the fields as text.
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

/** The refusal of the form or button of this name, if there is one. @param {string} name */
export function refusal(name) {
  const refused = state.refused.get(name);
  if (!refused) return nothing;
  const others = refused.errors.filter(({ field }) => !isShownAtField(name, field));
  const marked = refused.errors.length > 0 && others.length === 0;
  return html`<div class="refusal" role="alert" data-code=${refused.code}>
    ${marked ? 'Please correct what is marked.' : refused.message}
    ${others.map(({ field, message }) => html`<br />${field}: ${message}`)}
  </div>`;
}

const isShownAtField = (/** @type {string} */ name, /** @type {string} */ field) =>
  document.getElementById(`${name}-${field}`) !== null;

/**
 * A labelled field with its error.
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
 * A button that shows that its request is in flight. It is never disabled, because that would take the focus away.
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
 * @param {string} [about] what it is about, for screen readers
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
 * A button that shows older rows of a list, if there are any.
 *
 * @param {'entries' | 'orders' | 'mails' | 'deadLetters'} list
 * @param {() => Promise<void>} refresh
 * @param {string} [about] the list's name for screen readers
 */
export const older = (list, refresh, about = list) =>
  state.more[list]
    ? button(
        `older-${list}`,
        'Show older',
        async () => {
          state.wanted[list] += 50;
          await refresh();
          announce('Older rows are shown.');
        },
        about,
      )
    : nothing;
