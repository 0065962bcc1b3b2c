import { beforeAll, expect, jest, test } from '@jest/globals';
import { useDatabase } from '#test/support/database.ts';
import { useBroker } from '#test/support/context.ts';
import { startProcesses } from './simulation/functions.ts';
import { takeStatements } from './simulation/statements.ts';
import { runScenario, type World } from './simulation/scenario.ts';
import { hasTime, record, sized } from '#test/support/sizes.ts';
import { report, secondsSince } from '#test/support/until.ts';

// Many short scenarios of a shop in which everything fails that can: the real functions, two processes each, on a real
// Postgres, with a broker and a clock that a seed controls. SEED=<n> repeats the scenario of one seed and prints every
// step; SEEDS=<count> and FIRST_SEED=<n> run others.

const { SEED, SEEDS = sized(300, 10_000), FIRST_SEED = '1' } = process.env;
const first = Number(SEED ?? FIRST_SEED);
const count = SEED === undefined ? Number(SEEDS) : 1;

jest.setTimeout(60_000 + count * 2_000);

useDatabase();

let world: World;
beforeAll(async () => {
  const statements = await takeStatements();
  const mails: string[] = [];
  const processes = await startProcesses(statements.database, (id) => mails.push(id));
  world = { statements, processes, mails, publish: () => undefined };
  useBroker(async (event) => world.publish(event));
});

// promise: killed-at-any-time
test('settles and notifies every order once, whatever is lost, repeated or interrupted', async () => {
  const began = Date.now();
  let [orders, steps, seed] = [0, 0, first];
  for (; seed < first + count && hasTime(began); seed += 1) {
    const done = await runScenario(seed, world).catch((error: Error) => {
      throw new Error(`SEED=${seed} npm run test:faults -- simulation\n${error.message}`, { cause: error });
    });
    orders += done.orders;
    steps += done.steps.length;
    if (SEED !== undefined) process.stdout.write(`${done.steps.join('\n')}\n`);
    if (seed % 500 === 0) report(`seed ${seed}: sound so far, after ${secondsSince(began)}`);
  }
  const scenarios = seed - first;
  expect(orders).toBeGreaterThan(scenarios);
  report(`${scenarios} scenarios from seed ${first} on: ${orders} orders, ${steps} steps, ${secondsSince(began)}`);
  record({ fault: 'scenario from a seed', count: scenarios, orders });
});

test('repeats the same scenario for the same seed', async () => {
  for (const seed of [first, first + 1, first + 2]) {
    expect((await runScenario(seed, world)).steps).toEqual((await runScenario(seed, world)).steps);
  }
});
