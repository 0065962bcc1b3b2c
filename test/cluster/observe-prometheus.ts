import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '#test/support/ports.ts';
import { until } from '#test/support/until.ts';
import type { RuleGroup, ScrapeConfig } from './observe-config.ts';

/** A target as Prometheus discovered and scraped it. */
export interface Target {
  scrapePool: string;
  scrapeUrl: string;
  labels: Record<string, string>;
  health: 'up' | 'down' | 'unknown';
  lastError: string;
}

/** A rule as Prometheus last evaluated it. */
export interface EvaluatedRule {
  name: string;
  query: string;
  labels: Record<string, string>;
  state: 'inactive' | 'pending' | 'firing';
  health: 'ok' | 'unknown' | 'err';
  lastError?: string;
}

/** One series of a range query. */
export interface Series {
  metric: Record<string, string>;
  values: [seconds: number, value: string][];
}

/** A Prometheus on the loopback, with a new, empty store. */
export interface Prometheus {
  url: string;
  targets(): Promise<Target[]>;
  rules(): Promise<EvaluatedRule[]>;
  /** From `since` (a `Date.now()`) until now, a value every 15 seconds. */
  range(expr: string, since: number): Promise<Series[]>;
  /** Stops it and removes its store. */
  stop(): Promise<void>;
}

/** Starts `binary` with these scrape configurations and rules; rules are evaluated every 5 seconds. */
export async function startPrometheus(
  binary: string,
  scrapeConfigs: ScrapeConfig[],
  groups: RuleGroup[],
): Promise<Prometheus> {
  const dir = mkdtempSync(path.join(tmpdir(), 'shop-prometheus-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(path.join(dir, 'rules.yml'), stringify({ groups }));
  writeFileSync(
    path.join(dir, 'prometheus.yml'),
    stringify({
      global: { scrape_interval: '30s', evaluation_interval: '5s' },
      rule_files: ['rules.yml'],
      scrape_configs: scrapeConfigs,
    }),
  );
  const log = path.join(dir, 'log');
  const output = openSync(log, 'w');
  const child = spawn(
    binary,
    [
      `--config.file=${path.join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', output, output] },
  );
  const ended = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  const ask = async <Data>(what: string): Promise<Data> => {
    const response = (await (await fetch(`${url}/api/v1/${what}`)).json()) as {
      status: string;
      error?: string;
      data: Data;
    };
    if (response.status !== 'success') throw new Error(`${what}: ${response.error}`);
    return response.data;
  };
  try {
    await Promise.race([
      until('Prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok),
      ended.then(() => {
        throw new Error(`${binary} has ended:\n${readFileSync(log, 'utf8')}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    stop,
    targets: async () => (await ask<{ activeTargets: Target[] }>('targets?state=active')).activeTargets,
    rules: async () =>
      (await ask<{ groups: { rules: EvaluatedRule[] }[] }>('rules?type=alert')).groups.flatMap(({ rules }) => rules),
    range: async (expr, since) => {
      const [start, end] = [since / 1_000, Date.now() / 1_000].map((seconds) => seconds.toFixed(0));
      const query = new URLSearchParams({ query: expr, start: start ?? '', end: end ?? '', step: '15' });
      return (await ask<{ result: Series[] }>(`query_range?${query.toString()}`)).result;
    },
  };
}
