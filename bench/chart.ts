import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Score } from './peers/table.ts';
import { median } from './statistics.ts';

// npm run bench:chart: draws docs/performance.svg from what `npm run bench:peers` has measured (reports/peers.json).

const titles: Record<string, string> = {
  shop: 'this shop, one process',
  'shop-processes': 'this shop, a process a function',
  'nestjs-nats': 'NestJS + NATS JetStream',
  dbos: 'DBOS Transact',
  restate: 'Restate',
  'pg-boss': 'pg-boss',
  'graphile-worker': 'graphile-worker',
};

const [width, left, rowHeight, top] = [760, 230, 34, 56];

interface Bar {
  title: string;
  ours: boolean;
  median: number;
  least: number;
  most: number;
}

const fileAt = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const { scores } = JSON.parse(readFileSync(fileAt('../reports/peers.json'), 'utf8')) as { scores: Score[] };
const bars = scores
  .filter(({ turns }) => turns.length > 0)
  .map(({ name, turns }): Bar => {
    const rates = turns.map(({ ordersPerSecond }) => ordersPerSecond);
    return {
      title: titles[name] ?? name,
      ours: name.startsWith('shop'),
      median: median(rates),
      least: Math.min(...rates),
      most: Math.max(...rates),
    };
  })
  .toSorted((a, b) => b.median - a.median);

writeFileSync(fileAt('../docs/performance.svg'), draw(bars));
process.stdout.write(`docs/performance.svg shows ${bars.length} systems.\n`);

function draw(all: Bar[]): string {
  const longest = Math.max(...all.map(({ most }) => most));
  const x = (value: number) => left + (value / longest) * (width - left - 90);
  const rows = all.map(({ title, ours, median: middle, least, most }, index) => {
    const y = top + index * rowHeight;
    return [
      `<text x="${left - 12}" y="${y + 17}" text-anchor="end">${title}</text>`,
      `<rect x="${left}" y="${y + 3}" width="${(x(middle) - left).toFixed(1)}" height="20" class="${ours ? 'ours' : 'other'}"/>`,
      `<line x1="${x(least).toFixed(1)}" x2="${x(most).toFixed(1)}" y1="${y + 13}" y2="${y + 13}" class="range"/>`,
      `<text x="${(x(most) + 8).toFixed(1)}" y="${y + 17}" class="value">${Math.round(middle).toLocaleString('en')}</text>`,
    ].join('\n  ');
  });
  const height = top + all.length * rowHeight + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Orders a second, decided and told">
  <style>
    text { font: 14px system-ui, sans-serif; fill: #1f2937; }
    .title { font-weight: 600; }
    .value { font-weight: 600; }
    .ours { fill: #2563eb; }
    .other { fill: #9ca3af; }
    .range { stroke: #1f2937; stroke-width: 2; }
  </style>
  <rect width="100%" height="100%" fill="#ffffff"/>
  <text x="12" y="28" class="title">Orders a second, decided and told; 32 connections, 2 cores, one Postgres (median and range)</text>
  ${rows.join('\n  ')}
</svg>
`;
}
