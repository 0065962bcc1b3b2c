// In sessionStorage: the token survives a reload, but not the tab, and no other tab or later user of the browser can read it. A
// cookie would be sent automatically, even with requests that another site makes the browser send.
const tokenKey = 'token';

/** The token of the user who is logged in. */
export const token = () => sessionStorage.getItem(tokenKey);

/** @param {string} given */
export const storeToken = (given) => sessionStorage.setItem(tokenKey, given);

export const dropToken = () => sessionStorage.removeItem(tokenKey);

/** Whether the token is the administrator's. Decides what is shown only: the server decides what is allowed. */
export function isAdmin() {
  try {
    const [, claims = ''] = (token() ?? '').split('.');
    return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).role === 'admin';
  } catch {
    return false;
  }
}
