import { setImmediate } from 'node:timers/promises';
import type { Violation } from '#test/support/invariants.ts';
import { recordCheck } from '#test/support/sizes.ts';
import { chanceOf, type Chance } from './chance.ts';
import { newCustomer, nextRequest } from './customers.ts';
import { tasksDone, type Processes } from './functions.ts';
import { openScene, type FaultProfile, type Scene } from './scene.ts';
import { deleteRows, openChecks } from './soundness.ts';
import type { Statements } from './statements.ts';

/** What happened in one scenario. */
export interface Outcome {
  /** Each step as a sentence; the same for the same seed. */
  steps: string[];
  orders: number;
}

/** What all scenarios share; each starts with an empty database and no mails. */
export interface World {
  statements: Statements;
  processes: Processes;
  /** The notifications whose mails the mail server has taken. */
  mails: string[];
  /** Receives the events that the functions publish. */
  publish: Scene['publish'];
}

const faultySteps = 80;
const roundsToRest = 40;

/**
 * Runs one scenario: customers register, deposit, order and cancel while events are lost, repeated and overtake each
 * other, and while processes end before, during and after their statements. Then the faults end, the shop comes to
 * rest, and old events are delivered again. Throws the violations and failures, with the last steps.
 */
export async function runScenario(seed: number, world: World): Promise<Outcome> {
  const chance = chanceOf(seed);
  const steps: string[] = [];
  const { statements, processes } = world;
  const note = labelled(steps);
  const scene = openScene({ chance, faultProfile: faultProfileOf(chance), statements, processes, note });
  world.publish = scene.publish;
  world.mails.length = 0;
  try {
    const found = await play(scene, chance, world);
    recordCheck(found.map((one) => ({ ...one, subject: `seed ${seed} ${one.subject}` })));
    const wrong = [...scene.failures, ...found.map(({ name, subject, detail }) => `${name}: ${subject} – ${detail}`)];
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return { steps, orders: scene.accepted.size };
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\nThe last steps were:\n${steps.slice(-60).join('\n')}`, { cause });
  } finally {
    // statements of a scenario that was broken off must not reach the next one
    for (const one of statements.sent.splice(0)) statements.loseBefore(one);
    await setImmediate();
    await deleteRows(scene);
  }
}

async function play(scene: Scene, chance: Chance, world: World): Promise<Violation[]> {
  const checks = openChecks(scene);
  const arriving = await Promise.all(
    [0, 1, 2].slice(0, 1 + chance.below(3)).map((index) => newCustomer(index, world.processes[0].context)),
  );
  const maxRequests = 5 + chance.below(6);
  for (let count = 0, requests = 0; count < faultySteps; count += 1) {
    const next = chance.below(20);
    const customer = next < 2 || count === 0 ? arriving.shift() : undefined;
    if (customer) scene.register(customer);
    else if (next < 5 && requests < maxRequests && scene.customers.length > 0) {
      requests += 1;
      scene.send(nextRequest(chance.oneOf(scene.customers), chance));
    } else await advance(scene, chance);
    await setImmediate();
    if (count % 50 !== 49) continue;
    const found = await checks.always();
    if (found.length > 0) return found;
  }
  await comeToRest(scene, world);
  const old = [...new Map(scene.broker.history.map((event) => [event.id, event])).values()];
  for (const event of old.filter(() => chance.happens(0.3))) scene.broker.accept(event);
  await comeToRest(scene, world);
  return checks.atRest(world.mails);
}

/** Advances something in flight, or repeats something. */
async function advance(scene: Scene, chance: Chance): Promise<void> {
  const { statements, broker, unfinished, broken, note } = scene;
  const { deliveries, history } = broker;
  const next = chance.below(100);
  if (next < 40 && statements.sent.length > 0) return scene.execute(chance.takenFrom(statements.sent));
  if (next < 85 && deliveries.length > 0) return scene.deliver(chance.takenFrom(deliveries));
  if (next < 91 && unfinished.length > 0) return scene.send(chance.takenFrom(unfinished));
  if (next < 94) return scene.relay();
  if (next < 97 && history.length > 0) {
    const event = chance.oneOf(history);
    note(`the broker repeats ${event.id}`);
    return broker.accept(event);
  }
  if (next < 98 && history.length > 0) {
    const event = chance.oneOf(history);
    note(`an untrusted sender alters ${event.id}`);
    broken.add(event.id);
    return broker.accept({ ...event, data: { ...(event.data as object), amount: 1 } });
  }
  if (statements.sent.length > 0) return scene.execute(chance.takenFrom(statements.sent));
}

/** The faults end: everything in flight is completed, in order, until the outbox is empty and every mail is sent. */
async function comeToRest(scene: Scene, world: World): Promise<void> {
  const { statements, broker, unfinished } = scene;
  scene.calmDown();
  for (let round = 0; round < roundsToRest; round += 1) {
    // a call that was left out of a batch, because another one had its key, sends its statement a few turns later
    for (let idle = 0; idle < 10; idle += 1) {
      const one = statements.sent.shift();
      const delivery = one ? undefined : broker.deliveries.shift();
      if (one) await scene.execute(one);
      else if (delivery) scene.deliver(delivery);
      if (one ?? delivery) idle = 0;
      else if (scene.inFlight() === 0) break;
      await setImmediate();
    }
    if (scene.inFlight() > 0) throw new Error(`${scene.inFlight()} calls wait for nothing`);
    const [open] = await statements.ask<{ chains: number }>('select count(*) as chains from events.outbox');
    if (open?.chains === 0 && unfinished.length === 0) return sendMails(scene, world);
    for (const request of unfinished.splice(0)) scene.send(request);
    await scene.relay();
    await setImmediate();
  }
  throw new Error(`The shop did not come to rest in ${roundsToRest} rounds.`);
}

/** Lets the senders finish; then the minute passes after which a poll finds the other mails. */
async function sendMails({ statements }: Scene, { mails, processes }: World): Promise<void> {
  const queued = await statements.ask<{ id: string }>(
    `select id from notifying.notifications where status = 'queued' and id <> all ($1::uuid[])`,
    [mails],
  );
  // a busy sender pauses between two mails, by the real clock
  if (queued.length > 0) await tasksDone(processes);
  await statements.ask(
    `update notifying.notifications
        set due_at = clock_timestamp()
      where status = 'queued'
        and id <> all ($1::uuid[])`,
    [mails],
  );
  const poll = processes[0].outgoing.sendDue();
  await setImmediate();
  for (const one of statements.sent.splice(0)) await statements.execute(one);
  await poll;
  if (queued.length > 0) await tasksDone(processes);
}

const faultProfileOf = (chance: Chance): FaultProfile => ({
  lostEvents: chance.oneOf([0, 0.1, 0.3]),
  repeatedEvents: chance.oneOf([0, 0.2, 0.5]),
  lostStatements: chance.oneOf([0, 0.05, 0.2]),
  lostResponses: chance.oneOf([0, 0.1, 0.3]),
  overlaps: chance.oneOf([0, 0.3, 0.8]),
});

/** Appends steps with a short label in place of each id: ids differ in every run. */
function labelled(steps: string[]): (step: string) => void {
  const names = new Map<string, string>();
  const nameOf = (id: string) => names.get(id) ?? names.set(id, `#${names.size + 1}`).get(id) ?? '';
  return (step) => steps.push(step.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, (id) => nameOf(id.toLowerCase())));
}
