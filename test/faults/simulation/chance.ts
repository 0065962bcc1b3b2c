import { mulberry32 } from '#local/broker/faults.ts';

/** Random decisions: the same seed makes the same ones. */
export interface Chance {
  /** A whole number from 0 up to `end`, without `end`. */
  below(end: number): number;
  /** True with this probability. */
  happens(probability: number): boolean;
  /** Picks an item; throws if the list is empty. */
  oneOf<Item>(items: readonly Item[]): Item;
  /** Removes an item from the list and returns it; throws if the list is empty. */
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
