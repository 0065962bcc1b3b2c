import { z } from 'zod';

/** What goes wrong in the broker on purpose. Probabilities are 0 to 1 and count for each accepted event, replies too. */
export interface Faults {
  /** Lost, though it was accepted. */
  drop: number;
  /** Let in again; each time once more, up to three times. */
  duplicate: number;
  /** Held back for 10 ms, so that those behind it pass. */
  reorder: number;
  /** The most that an event is late; each is by a random part of it. */
  delayMs: number;
  /** The same seed makes the same faults, event by event. */
  seed: number;
}

/** What becomes of one accepted event: for each copy to let in its delay in milliseconds; empty = lost. */
export type FaultPlan = () => readonly number[];

const NO_FAULTS: Faults = { drop: 0, duplicate: 0, reorder: 0, delayMs: 0, seed: 1 };
const MAX_REPEATS = 3;
const REORDER_MS = 10;

const probability = z.coerce.number('must be a number').min(0, 'must be 0 to 1').max(1, 'must be 0 to 1');
const SETTINGS = {
  drop: probability,
  duplicate: probability,
  reorder: probability,
  delay: z.coerce.number('must be milliseconds').min(0, 'must be 0 or more').max(60_000, 'must be 60000 or less'),
  seed: z.coerce.number('must be a whole number').int('must be a whole number'),
};

/** Reads `drop=0.2,duplicate=0.1,reorder=0.1,delay=50,seed=7`; what is not named does not happen. Throws on anything else. */
export function parseFaults(text: string): Faults {
  const faults = { ...NO_FAULTS };
  for (const part of text.split(',').filter((piece) => piece.trim() !== '')) {
    const [name = '', value = ''] = part.split('=').map((side) => side.trim());
    if (!isSetting(name)) throw new Error(`unknown fault "${name}": known are ${Object.keys(SETTINGS).join(', ')}`);
    const parsed = SETTINGS[name].safeParse(value === '' ? undefined : value);
    if (!parsed.success) throw new Error(`fault ${name}: ${parsed.error.issues[0]?.message}`);
    faults[name === 'delay' ? 'delayMs' : name] = parsed.data;
  }
  return faults;
}

/** Prepares the faults of one broker. */
export function planFaults(given: Partial<Faults>): FaultPlan {
  const { drop, duplicate, reorder, delayMs, seed } = { ...NO_FAULTS, ...given };
  const random = mulberry32(seed);
  const delay = () => random() * delayMs + (random() < reorder ? REORDER_MS : 0);
  return () => {
    if (random() < drop) return [];
    const delays = [delay()];
    while (delays.length <= MAX_REPEATS && random() < duplicate) delays.push(delay());
    return delays;
  };
}

function isSetting(name: string): name is keyof typeof SETTINGS {
  return Object.hasOwn(SETTINGS, name);
}

/** Tommy Ettinger's generator: 32 bits of state, numbers from 0 up to 1. `Math.random` cannot be seeded. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
