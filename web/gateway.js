import { html } from './lib/lit-html.js';
import { api } from './api.js';
import { field, onSubmit, refusal, submit } from './forms.js';
import { storeToken } from './session.js';

/** Registers or logs in. @param {() => Promise<void>} enter is called once there is a token */
export const gateway = (enter) =>
  html`<div class="gateway">
    <section aria-labelledby="register-title">
      <h2 id="register-title">Register</h2>
      <form method="post" @submit=${onSubmit('register', (fields) => register(fields, enter))}>
        ${field('register', 'name', 'Name', { autocomplete: 'name' })}
        ${field('register', 'email', 'E-mail', { type: 'email', autocomplete: 'email', inputmode: 'email' })}
        ${field('register', 'password', 'Password', {
          type: 'password',
          autocomplete: 'new-password',
          minlength: 8,
          hint: '8 characters or more',
        })}
        ${refusal('register')} ${submit('register', 'Register')}
      </form>
    </section>
    <section aria-labelledby="log-in-title">
      <h2 id="log-in-title">Log in</h2>
      <form method="post" @submit=${onSubmit('log-in', (fields) => logIn(fields, enter))}>
        ${field('log-in', 'email', 'E-mail', { type: 'email', autocomplete: 'username', inputmode: 'email' })}
        ${field('log-in', 'password', 'Password', { type: 'password', autocomplete: 'current-password' })}
        ${refusal('log-in')} ${submit('log-in', 'Log in')}
      </form>
    </section>
  </div>`;

/** @param {Record<string, string>} fields @param {() => Promise<void>} enter */
async function register(fields, enter) {
  await api('POST', '/users', { body: fields });
  await logIn(fields, enter);
}

/** @param {Record<string, string>} fields @param {() => Promise<void>} enter */
async function logIn({ email, password }, enter) {
  storeToken((await api('POST', '/sessions', { body: { email, password } })).token);
  await enter();
}
