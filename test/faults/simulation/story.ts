import { setImmediate } from 'node:timers/promises';
import { sendDue } from '#functions/send-notification/outgoing.ts';
import { backgroundDone } from '#platform/runtime/background.ts';
import type { Violation } from '#test/support/invariants.ts';
import { looked } from '#test/support/sizes.ts';
import { chanceOf, type Chance } from './chance.ts';
import { newcomer, wish } from './customers.ts';
import { openScene, type Scene } from './scene.ts';
import { forget, checks } from './soundness.ts';
import type { Statements } from './statements.ts';

/** What was done in one story. */
export interface Told {
  /** Each step in words; the same for the same seed. */
  steps: string[];
  orders: number;
}

/** What all stories share; each finds it empty. */
export interface World {
  statements: Statements;
  /** The notifications whose mails the mail server has taken. */
  mails: string[];
  /** Where the functions publish to now. */
  publish: Scene['publish'];
}

const failingSteps = 80;
const roundsToRest = 40;

/**
 * Tells one story: customers register, deposit, order and cancel while events get lost, are repeated and overtake each
 * other, and while processes end before, in the middle of and after their statements. Then the trouble ends, the shop
 * comes to rest, and old events are delivered once more. Throws what was wrong, with the last steps.
 */
export async function tell(seed: number, world: World): Promise<Told> {
  const chance = chanceOf(seed);
  const steps: string[] = [];
  const scene = openScene(chance, faultProfileOf(chance), world.statements, labelled(steps));
  world.publish = scene.publish;
  world.mails.length = 0;
  try {
    const found = await play(scene, chance, world.mails);
    looked(found.map((one) => ({ ...one, subject: `seed ${seed} ${one.subject}` })));
    const wrong = [...scene.failures, ...found.map(({ name, subject, detail }) => `${name}: ${subject} – ${detail}`)];
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return { steps, orders: scene.accepted.size };
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\nThe last steps were:\n${steps.slice(-60).join('\n')}`, { cause });
  } finally {
    // what a story that was broken off has left must not reach the next one
    for (const one of world.statements.sent.splice(0)) world.statements.loseBefore(one);
    await setImmediate();
    await forget(scene);
  }
}

async function play(scene: Scene, chance: Chance, mails: string[]): Promise<Violation[]> {
  const looks = checks(scene);
  const arriving = await Promise.all([0, 1, 2].slice(0, 1 + chance.below(3)).map(newcomer));
  const wishes = 5 + chance.below(6);
  for (let count = 0, wished = 0; count < failingSteps; count += 1) {
    const next = chance.below(20);
    const customer = next < 2 || count === 0 ? arriving.shift() : undefined;
    if (customer) scene.register(customer);
    else if (next < 5 && wished < wishes && scene.customers.length > 0) {
      wished += 1;
      scene.send(wish(chance.oneOf(scene.customers), chance));
    } else await goOn(scene, chance);
    await setImmediate();
    if (count % 50 !== 49) continue;
    const found = await looks.now();
    if (found.length > 0) return found;
  }
  await comeToRest(scene, mails);
  const old = [...new Map(scene.broker.history.map((event) => [event.id, event])).values()];
  for (const event of old.filter(() => chance.happens(0.3))) scene.broker.take(event);
  await comeToRest(scene, mails);
  return looks.atRest(mails);
}

/** Something that is under way goes on, or begins again. */
async function goOn(scene: Scene, chance: Chance): Promise<void> {
  const { statements, broker, unanswered, broken, note } = scene;
  const { parcels, history } = broker;
  const next = chance.below(100);
  if (next < 40 && statements.sent.length > 0) return scene.goOnWith(chance.takenFrom(statements.sent));
  if (next < 85 && parcels.length > 0) return scene.bringParcel(chance.takenFrom(parcels));
  if (next < 91 && unanswered.length > 0) return scene.send(chance.takenFrom(unanswered));
  if (next < 94) return scene.relay();
  if (next < 97 && history.length > 0) {
    const event = chance.oneOf(history);
    note(`the broker has ${event.id} once more`);
    return broker.take(event);
  }
  if (next < 98 && history.length > 0) {
    const event = chance.oneOf(history);
    note(`somebody alters ${event.id}`);
    broken.add(event.id);
    return broker.take({ ...event, data: { ...(event.data as object), amount: 1 } });
  }
  if (statements.sent.length > 0) return scene.goOnWith(chance.takenFrom(statements.sent));
}

/** The trouble ends: everything that was begun goes on, in order, until the outbox is empty and every mail is sent. */
async function comeToRest(scene: Scene, mails: string[]): Promise<void> {
  const { statements, broker, unanswered } = scene;
  scene.calmDown();
  for (let round = 0; round < roundsToRest; round += 1) {
    // a call that was left out of a batch, because another one had its key, sends its statement a few turns later
    for (let idle = 0; idle < 10; idle += 1) {
      const one = statements.sent.shift();
      const parcel = one ? undefined : broker.parcels.shift();
      if (one) await scene.goOnWith(one);
      else if (parcel) scene.bringParcel(parcel);
      if (one ?? parcel) idle = 0;
      else if (scene.inFlight() === 0) break;
      await setImmediate();
    }
    if (scene.inFlight() > 0) throw new Error(`${scene.inFlight()} calls wait for nothing`);
    const [open] = await statements.ask<{ chains: number }>('select count(*) as chains from events.outbox');
    if (open?.chains === 0 && unanswered.length === 0) return sendMails(scene, mails);
    for (const request of unanswered.splice(0)) scene.send(request);
    await scene.relay();
    await setImmediate();
  }
  throw new Error(`It has not come to rest in ${roundsToRest} rounds.`);
}

/** The senders end what they have in their hands; then the minute is over after which somebody looks for the rest. */
async function sendMails({ statements }: Scene, mails: string[]): Promise<void> {
  const queued = await statements.ask<{ id: string }>(
    `select id from notifying.notifications where status = 'queued' and id <> all ($1::uuid[])`,
    [mails],
  );
  // a busy sender pauses between two mails, by the real clock
  if (queued.length > 0) await backgroundDone(5_000);
  await statements.ask(
    `update notifying.notifications
        set due_at = clock_timestamp()
      where status = 'queued'
        and id <> all ($1::uuid[])`,
    [mails],
  );
  const look = sendDue();
  await setImmediate();
  for (const one of statements.sent.splice(0)) await statements.carryOut(one);
  await look;
  if (queued.length > 0) await backgroundDone(5_000);
}

const faultProfileOf = (chance: Chance) => ({
  lostEvents: chance.oneOf([0, 0.1, 0.3]),
  repeatedEvents: chance.oneOf([0, 0.2, 0.5]),
  lostStatements: chance.oneOf([0, 0.05, 0.2]),
  lostResponses: chance.oneOf([0, 0.1, 0.3]),
  overlaps: chance.oneOf([0, 0.3, 0.8]),
});

/** Writes steps down with a short name in place of each id: ids differ each time. */
function labelled(steps: string[]): (step: string) => void {
  const names = new Map<string, string>();
  const nameOf = (id: string) => names.get(id) ?? names.set(id, `#${names.size + 1}`).get(id) ?? '';
  return (step) => steps.push(step.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, (id) => nameOf(id.toLowerCase())));
}
