import { mulberry32 } from '#local/broker/faults.ts';

/** Everything that is left to chance: the same seed decides the same. */
export interface Chance {
  /** A whole number from 0 up to `end`, without `end`. */
  below(end: number): number;
  /** Whether something with this probability happens. */
  happens(probability: number): boolean;
  /** One of these; throws if there is none. */
  oneOf<Item>(items: readonly Item[]): Item;
  /** Takes one of these out of the list; throws if there is none. */
  takenFrom<Item>(items: Item[]): Item;
}

export function chanceOf(seed: number): Chance {
  const random = mulberry32(seed);
  const below = (end: number) => Math.floor(random() * end);
  return {
    below,
    happens: (probability) => random() < probability,
    oneOf: (items) => {
      if (items.length === 0) throw new Error('there is nothing to choose from');
      return items[below(items.length)] as (typeof items)[number];
    },
    takenFrom: (items) => {
      if (items.length === 0) throw new Error('there is nothing to choose from');
      return items.splice(below(items.length), 1)[0] as (typeof items)[number];
    },
  };
}
