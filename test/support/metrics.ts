import { readFileSync } from 'node:fs';
import { functionNames } from '#local/functions.ts';
import type { Shop } from './shop.ts';

/** One sample of the Prometheus text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** The URLs of the metrics of all functions; `port` is that of the storefront, or of the only process. */
export function metricsUrls(shop: Shop, port: number): string[] {
  const others = shop.processes ? functionNames.filter((name) => name !== 'storefront') : [];
  return [port, ...others.map((name) => portOf(shop.pidOf(name) ?? 0))].map((at) => `http://127.0.0.1:${at}/metrics`);
}

const portOf = (pid: number) => Number(/(?:^|\0)PORT=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]);

/** The metrics of all functions, as one text. */
export async function scrape(urls: string[]): Promise<string> {
  const texts = await Promise.all(urls.map(async (url) => (await fetch(url)).text()));
  return texts.join('\n');
}

/** Parses the text format (Prometheus, exposition format 0.0.4). */
export function samplesIn(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text] as const);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}
