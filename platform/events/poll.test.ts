import { beforeEach, expect, jest, test } from '@jest/globals';
import { createPoll, type ScanInterval } from '#platform/events/poll.ts';

jest.useFakeTimers();

let scans: ScanInterval[] = [];
let takes: () => Promise<boolean> = async () => true;
let turn: () => Promise<void>;
beforeEach(() => {
  scans = [];
  takes = async () => true;
  turn = createPoll((interval) => {
    scans.push(interval);
    return takes();
  });
});

async function polls(times: number, everyMs = 500): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    jest.advanceTimersByTime(everyMs);
    await turn().catch(() => undefined);
  }
}

test('scans everything first and every half minute, and otherwise what came due recently', async () => {
  await polls(61);
  expect(scans.indexOf('100 years')).toBe(0);
  expect(scans.indexOf('100 years', 1)).toBe(60);
  expect(scans.filter((interval) => interval === '10 seconds')).toHaveLength(59);
});

test('scans everything after a poll that did not take everything', async () => {
  takes = async () => false;
  await polls(3);
  takes = async () => true;
  await polls(2);
  expect(scans).toEqual(['100 years', '100 years', '100 years', '100 years', '10 seconds']);
});

test('scans everything after a poll that failed', async () => {
  await polls(1);
  takes = () => Promise.reject(new Error('no database'));
  await polls(1);
  takes = async () => true;
  await polls(2);
  expect(scans).toEqual(['100 years', '10 seconds', '100 years', '10 seconds']);
});

test('scans everything when a poll is late: what came due meanwhile may be older than the recent interval', async () => {
  await polls(2, 4_900);
  await polls(1, 5_000);
  expect(scans).toEqual(['100 years', '10 seconds', '100 years']);
});
