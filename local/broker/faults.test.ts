import { expect, test } from '@jest/globals';
import { createBroker } from '#local/broker/broker.ts';
import { planFaults, parseFaults, type Faults } from '#local/broker/faults.ts';
import { event, inProcess, manifestsOf, trigger } from '#local/broker/fixtures.ts';

const plansOf = (faults: Partial<Faults>) => Array.from({ length: 200 }, planFaults(faults));

function brokerWith(faults: Partial<Faults>) {
  const { deliver, received } = inProcess({ b: () => ({ status: 200, event: event('c') }) });
  const broker = createBroker({ manifests: manifestsOf(trigger('a', 'b'), trigger('c', 'd')), deliver, faults });
  return { broker, received };
}

test('parses faults', () => {
  expect(parseFaults('drop=0.2, duplicate=0.1,reorder=1,delay=50,seed=7')).toEqual({
    drop: 0.2,
    duplicate: 0.1,
    reorder: 1,
    delayMs: 50,
    seed: 7,
  });
  expect(parseFaults('')).toEqual({ drop: 0, duplicate: 0, reorder: 0, delayMs: 0, seed: 1 });
});

test.each([
  ['lose=0.1', 'unknown fault "lose": known are drop, duplicate, reorder, delay, seed'],
  ['drop=2', 'fault drop: must be 0 to 1'],
  ['drop=half', 'fault drop: must be a number'],
  ['drop', 'fault drop: must be a number'],
  ['delay=-1', 'fault delay: must be 0 or more'],
  ['seed=1.5', 'fault seed: must be a whole number'],
])('refuses %s with the reason', (text, message) => {
  expect(() => parseFaults(text)).toThrow(message);
});

test('injects the same faults with the same seed, and others with another seed', () => {
  const faults = { drop: 0.3, duplicate: 0.3, reorder: 0.3, delayMs: 9 };
  expect(plansOf({ ...faults, seed: 7 })).toEqual(plansOf({ ...faults, seed: 7 }));
  expect(plansOf({ ...faults, seed: 7 })).not.toEqual(plansOf({ ...faults, seed: 8 }));
});

test('injects faults with the given probabilities', () => {
  const plans = plansOf({ drop: 0.5, duplicate: 0.5, delayMs: 10 });
  const lost = plans.filter((delays) => delays.length === 0).length;
  const repeated = plans.filter((delays) => delays.length > 1).length;
  expect(lost).toBeGreaterThan(70);
  expect(lost).toBeLessThan(130);
  expect(repeated).toBeGreaterThan(30);
  expect(repeated).toBeLessThan(70);
  expect(Math.max(...plans.flat())).toBeLessThanOrEqual(10);
});

test('accepts an event that it then drops', async () => {
  const { broker, received } = brokerWith({ drop: 1 });
  expect(await broker.ingest(event('a'))).toEqual({ status: 202 });
  expect(received('b')).toHaveLength(0);
});

test('repeats each event and each reply up to three times', async () => {
  const { broker, received } = brokerWith({ duplicate: 1 });
  await broker.ingest(event('a'));
  expect(received('b')).toHaveLength(4);
  expect(received('d')).toHaveLength(16);
});

test('reorders delayed events and loses none', async () => {
  const { broker, received } = brokerWith({ delayMs: 20, reorder: 0.5, seed: 3 });
  const ids = Array.from({ length: 30 }, (_, index) => String(index));
  await Promise.all(ids.map((id) => broker.ingest(event('a', { id }))));
  const arrived = received('b').map(({ id }) => id);
  expect(arrived).not.toEqual(ids);
  expect(new Set(arrived)).toEqual(new Set(ids));
});
