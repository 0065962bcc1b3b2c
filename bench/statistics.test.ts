import { expect, test } from '@jest/globals';
import { median, percentile } from './statistics.ts';

const oneToHundred = Array.from({ length: 100 }, (_, index) => 100 - index);

test('takes the second largest of 100 values as the 99th percentile, and a single value as itself', () => {
  expect(percentile(oneToHundred, 0.99)).toBe(99);
  expect(percentile(oneToHundred, 0.5)).toBe(50);
  expect(percentile([7], 0.99)).toBe(7);
});

test('puts the median of an even number of values between the two middle ones', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 6])).toBe(5.5);
});

test('returns NaN if nothing was measured', () => {
  expect(percentile([], 0.5)).toBeNaN();
  expect(median([])).toBeNaN();
});
