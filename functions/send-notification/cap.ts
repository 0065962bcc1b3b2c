interface Hour {
  beganAt: number;
  mails: number;
  /** The digest that this process has begun for the recipient: what is gathered for the same one joins it. */
  digestAt: Date | undefined;
}

const hourMs = 60 * 60_000;

/** How many mails a recipient gets in an hour, before the others are gathered into a digest. */
export interface Cap {
  /** Whether one more mail may go out by itself; it then counts. */
  admits(userId: string): boolean;
  /** The digest that was begun for a recipient, if it was. */
  digestOf(userId: string): Date | undefined;
  begunDigest(userId: string, digestAt: Date): void;
}

/**
 * Counts mails in memory, in each instance of the function, as the rate limits do: nothing is read or written for a mail
 * that is not gathered. Recipients are forgotten, the oldest first, when there are too many of them: their hour begins
 * anew. `perHour` 0 is no cap.
 */
export function createCap(perHour: number, { now = () => performance.now(), maxRecipients = 100_000 } = {}): Cap {
  const hours = new Map<string, Hour>();
  const hourOf = (userId: string): Hour => {
    const known = hours.get(userId);
    if (known && now() - known.beganAt < hourMs) return known;
    hours.delete(userId); // in the order of their beginning
    const oldest = hours.keys().next();
    if (hours.size >= maxRecipients && !oldest.done) hours.delete(oldest.value);
    const begun = { beganAt: now(), mails: 0, digestAt: known?.digestAt };
    hours.set(userId, begun);
    return begun;
  };
  return {
    admits: (userId) => {
      if (perHour === 0) return true;
      const hour = hourOf(userId);
      hour.mails += 1;
      return hour.mails <= perHour;
    },
    digestOf: (userId) => hours.get(userId)?.digestAt,
    begunDigest: (userId, digestAt) => {
      hourOf(userId).digestAt = digestAt;
    },
  };
}
