interface Hour {
  beganAt: number;
  mails: number;
  /** When the digest that this process has begun for the recipient is due: further mails join it. */
  digestAt: Date | undefined;
}

const hourMs = 60 * 60_000;

/** The limit of mails that a recipient gets in an hour; those above it are gathered into a digest. */
export interface Cap {
  /** Whether one more mail may be sent on its own. Counts it. */
  admits(userId: string): boolean;
  /** When the digest that was begun for a recipient is due, if there is one. */
  digestOf(userId: string): Date | undefined;
  begunDigest(userId: string, digestAt: Date): void;
}

/**
 * Counts mails in the memory of each instance of the function, as the rate limits do: a mail below the cap costs no
 * statement. Above `maxRecipients`, the recipient whose hour began first is forgotten, and its hour begins again.
 * `perHour` 0 means no cap.
 */
export function createCap(perHour: number, { now = () => performance.now(), maxRecipients = 100_000 } = {}): Cap {
  const hours = new Map<string, Hour>();
  const hourOf = (userId: string): Hour => {
    const known = hours.get(userId);
    if (known && now() - known.beganAt < hourMs) return known;
    hours.delete(userId); // the map stays in the order in which hours began
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
