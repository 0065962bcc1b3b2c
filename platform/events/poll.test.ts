import { beforeEach, expect, jest, test } from '@jest/globals';
import { createPoll, type ScanInterval } from '#platform/events/poll.ts';

jest.useFakeTimers();

let reaches: ScanInterval[] = [];
let takes: () => Promise<boolean> = async () => true;
let turn: () => Promise<void>;
beforeEach(() => {
  reaches = [];
  takes = async () => true;
  turn = createPoll((interval) => {
    reaches.push(interval);
    return takes();
  });
});

async function looks(times: number, everyMs = 500): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    jest.advanceTimersByTime(everyMs);
    await turn().catch(() => undefined);
  }
}

test('the first look goes over fullScan, the next over what has come due since, and each half a minute over all', async () => {
  await looks(61);
  expect(reaches.indexOf('100 years')).toBe(0);
  expect(reaches.indexOf('100 years', 1)).toBe(60);
  expect(reaches.filter((interval) => interval === '10 seconds')).toHaveLength(59);
});

test('after one that has left something behind the next goes over fullScan', async () => {
  takes = async () => false;
  await looks(3);
  takes = async () => true;
  await looks(2);
  expect(reaches).toEqual(['100 years', '100 years', '100 years', '100 years', '10 seconds']);
});

test('after one that has failed the next goes over fullScan', async () => {
  await looks(1);
  takes = () => Promise.reject(new Error('no database'));
  await looks(1);
  takes = async () => true;
  await looks(2);
  expect(reaches).toEqual(['100 years', '10 seconds', '100 years', '10 seconds']);
});

test('one that comes late goes over fullScan: what has come due meanwhile may be older than the others interval', async () => {
  await looks(2, 4_900);
  await looks(1, 5_000);
  expect(reaches).toEqual(['100 years', '10 seconds', '100 years']);
});
