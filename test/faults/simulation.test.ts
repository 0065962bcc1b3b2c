import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import Mail from 'nodemailer/lib/mailer';
import { useDatabase } from '#test/support/database.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import { loadFunctions } from './simulation/functions.ts';
import { takeStatements } from './simulation/statements.ts';
import { tell, type World } from './simulation/story.ts';
import { hasTime, record, sized } from '#test/support/sizes.ts';
import { report, secondsSince } from '#test/support/until.ts';

// Many short stories of a shop in which everything goes wrong that can: the real functions, each as two processes, on a
// real Postgres, with a broker and a clock that a seed decides. SEED=<n> tells the story of one seed again, with every
// step; SEEDS=<count> and FIRST_SEED=<n> tell others.

const { SEED, SEEDS = sized(300, 10_000), FIRST_SEED = '1' } = process.env;
const first = Number(SEED ?? FIRST_SEED);
const count = SEED === undefined ? Number(SEEDS) : 1;

jest.setTimeout(60_000 + count * 2_000);

useDatabase();

let world: World;
const { sendMail } = Mail.prototype;
beforeAll(async () => {
  world = { statements: await takeStatements(), mails: [], publish: () => undefined };
  connectBroker(async (event) => world.publish(event));
  // a mail server that takes every mail at once
  Mail.prototype.sendMail = (async ({ messageId = '' }: { messageId?: string }) => {
    world.mails.push(/[0-9a-f-]{36}/.exec(messageId)?.[0] ?? messageId);
  }) as typeof sendMail;
  await loadFunctions();
});
afterAll(() => {
  world.statements.release();
  Mail.prototype.sendMail = sendMail;
});

// promise: whoever-killed-any-moment
test('whatever gets lost, comes twice or ends in its middle: every order is decided and told once', async () => {
  const began = Date.now();
  let [orders, steps, seed] = [0, 0, first];
  for (; seed < first + count && hasTime(began); seed += 1) {
    const told = await tell(seed, world).catch((error: Error) => {
      throw new Error(`SEED=${seed} npm test -- simulation\n${error.message}`, { cause: error });
    });
    orders += told.orders;
    steps += told.steps.length;
    if (SEED !== undefined) process.stdout.write(`${told.steps.join('\n')}\n`);
    if (seed % 500 === 0) report(`seed ${seed}: sound so far, after ${secondsSince(began)}`);
  }
  const told = seed - first;
  expect(orders).toBeGreaterThan(told);
  report(`${told} stories from seed ${first} on: ${orders} orders, ${steps} steps, ${secondsSince(began)}`);
  record({ fault: 'story from a seed', count: told, orders });
});

test('a seed tells the same story again', async () => {
  for (const seed of [first, first + 1, first + 2]) {
    expect((await tell(seed, world)).steps).toEqual((await tell(seed, world)).steps);
  }
});
