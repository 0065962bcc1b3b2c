/** Violations of the invariants, by their meaning for a customer. */
export interface Findings {
  /** Accepted and gone, or happened without a notification. */
  lost: number;
  /** Took effect more than once. */
  double: number;
  /** Not ended in time. */
  stuck: number;
  other: number;
}

/** What a violation of each invariant means; invariants that are not listed are `other`. */
export const meanings: Record<string, keyof Findings> = {
  'I4 every accepted order exists': 'lost',
  'I4 every accepted cancel has begun': 'lost',
  'I5 each event is notified': 'lost',
  'I6 a paid order was charged': 'lost',
  'I11 a time that was set stays': 'lost',
  'I10 what is marked as sent arrives': 'lost',
  'I5 each event is notified once': 'double',
  'I6 an order is charged once at most, its total, from its customer': 'double',
  'I7 a refunded order has one charge and one refund, which cancel out': 'double',
  'I12 one idempotency key, one order': 'double',
  'I12 one idempotency key, one deposit': 'double',
  'I12 each deposit has moved its money once, and only a deposit': 'double',
  'I10 one mail a notification': 'double',
  'I4 every order is settled': 'stuck',
  'I6 a charged order is paid, or its money went back': 'stuck',
  'I7 no cancel stays open': 'stuck',
  'I9 the outbox drains': 'stuck',
  'I10 every mail is sent': 'stuck',
};

/** Counts violations of invariants by their meaning. */
export function tally(violations: { name: string }[]): Findings {
  const findings: Findings = { lost: 0, double: 0, stuck: 0, other: 0 };
  for (const { name } of violations) findings[meanings[name] ?? 'other'] += 1;
  return findings;
}
