import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const usualPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/microsoft-edge',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** What to say where no browser is. */
export const noBrowser = 'There is no Chromium or Chrome on this machine; CHROMIUM names one in another place.';

/** The program of a Chromium: the one that `CHROMIUM` names, or one in its usual place. */
export function findBrowser(): string | undefined {
  const named = process.env['CHROMIUM'];
  return named ? named : usualPaths.find((file) => existsSync(file));
}

/**
 * Starts a browser of its own without a window. Whatever host it is asked for, it goes to the loopback, so that a page
 * can be opened under a name of no meaning to this machine, as behind an ingress.
 */
export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // a sandbox is not to be had as root, nor in most containers
    chromiumSandbox: false,
    args: ['--host-resolver-rules=MAP * 127.0.0.1', '--no-proxy-server'],
  });
}
