// In sessionStorage: it outlives a reload, but not the tab, and no other tab or later visitor finds it. A cookie would
// be sent by itself, also with what another site makes the browser send.
const place = 'token';

/** The token of whoever is logged in. */
export const token = () => sessionStorage.getItem(place);

/** @param {string} given */
export const keepToken = (given) => sessionStorage.setItem(place, given);

export const dropToken = () => sessionStorage.removeItem(place);

/** Whether the token is an administrator's: what to show, for the server decides what is allowed. */
export function isAdmin() {
  try {
    const [, claims = ''] = (token() ?? '').split('.');
    return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).role === 'admin';
  } catch {
    return false;
  }
}
