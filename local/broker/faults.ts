import { z } from 'zod';

/** Faults that the broker injects. Probabilities are 0 to 1 and apply to each accepted event, replies included. */
export interface Faults {
  /** Loses the event after it was accepted. */
  drop: number;
  /** Delivers the event again; repeated with the same probability, up to three times. */
  duplicate: number;
  /** Delays the event by 10 ms, so that later events overtake it. */
  reorder: number;
  /** Delays each event by a random time up to this. */
  delayMs: number;
  /** The same seed produces the same faults, event by event. */
  seed: number;
}

/** Plans one accepted event: the delay in milliseconds of each copy to deliver; empty = lost. */
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

/** Parses `drop=0.2,duplicate=0.1,reorder=0.1,delay=50,seed=7`; omitted faults are off. Throws on anything else. */
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

/** Creates the fault plan of one broker. */
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

/** Tommy Ettinger's random number generator, 0 to 1, with 32 bits of state. `Math.random` cannot be seeded. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
