import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SystemResult } from './peers/table.ts';
import { median } from './statistics.ts';

// npm run bench:chart: draws docs/performance.svg from the results of `npm run bench:peers` (reports/peers.json).

const titles: Record<string, string> = {
  shop: 'this shop, one process',
  'shop-processes': 'this shop, a process per function',
  'nestjs-nats': 'NestJS + NATS JetStream',
  dbos: 'DBOS Transact',
  restate: 'Restate',
  'pg-boss': 'pg-boss',
  'graphile-worker': 'graphile-worker',
};

const [width, left, rowHeight, top] = [760, 230, 34, 56];

interface Bar {
  title: string;
  isShop: boolean;
  median: number;
  min: number;
  max: number;
}

const fileAt = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const { results } = JSON.parse(readFileSync(fileAt('../reports/peers.json'), 'utf8')) as { results: SystemResult[] };
const bars = results
  .filter(({ rounds }) => rounds.length > 0)
  .map(({ name, rounds }): Bar => {
    const rates = rounds.map(({ ordersPerSecond }) => ordersPerSecond);
    return {
      title: titles[name] ?? name,
      isShop: name.startsWith('shop'),
      median: median(rates),
      min: Math.min(...rates),
      max: Math.max(...rates),
    };
  })
  .toSorted((a, b) => b.median - a.median);

writeFileSync(fileAt('../docs/performance.svg'), draw(bars));
process.stdout.write(`docs/performance.svg shows ${bars.length} systems.\n`);

function draw(all: Bar[]): string {
  const longest = Math.max(...all.map(({ max }) => max));
  const x = (value: number) => left + (value / longest) * (width - left - 90);
  const rows = all.map(({ title, isShop, median: middle, min, max }, index) => {
    const y = top + index * rowHeight;
    return [
      `<text x="${left - 12}" y="${y + 17}" text-anchor="end">${title}</text>`,
      `<rect x="${left}" y="${y + 3}" width="${(x(middle) - left).toFixed(1)}" height="20" class="${isShop ? 'shop' : 'other'}"/>`,
      `<line x1="${x(min).toFixed(1)}" x2="${x(max).toFixed(1)}" y1="${y + 13}" y2="${y + 13}" class="range"/>`,
      `<text x="${(x(max) + 8).toFixed(1)}" y="${y + 17}" class="value">${Math.round(middle).toLocaleString('en')}</text>`,
    ].join('\n  ');
  });
  const height = top + all.length * rowHeight + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Orders per second, settled and notified">
  <style>
    text { font: 14px system-ui, sans-serif; fill: #1f2937; }
    .title { font-weight: 600; }
    .value { font-weight: 600; }
    .shop { fill: #2563eb; }
    .other { fill: #9ca3af; }
    .range { stroke: #1f2937; stroke-width: 2; }
  </style>
  <rect width="100%" height="100%" fill="#ffffff"/>
  <text x="12" y="28" class="title">Orders per second, settled and notified; 32 connections, 2 cores, one Postgres (median and range)</text>
  ${rows.join('\n  ')}
</svg>
`;
}
