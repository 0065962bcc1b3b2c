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

/** The message if no browser is found. */
export const noBrowser = 'No Chromium or Chrome was found on this machine; set CHROMIUM to the path of one.';

/** The path of a Chromium: `CHROMIUM`, or the first of the usual paths that exists. */
export function findBrowser(): string | undefined {
  const named = process.env['CHROMIUM'];
  return named ? named : usualPaths.find((file) => existsSync(file));
}

/**
 * Starts a headless browser that resolves every host to the loopback, so that a page can be opened under a public name,
 * as behind an ingress.
 */
export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // the sandbox is not available to root, nor in most containers
    chromiumSandbox: false,
    args: ['--host-resolver-rules=MAP * 127.0.0.1', '--no-proxy-server'],
  });
}
