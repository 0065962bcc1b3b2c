// Indexes on tables that have rows are built while the shop works. Without a transaction, so that each statement
// is one of its own; what an attempt has left half-built is built again.
const indexes = {
  // chains that have lost their outbox row are found by scanning ids; an order that is canceled long after it was placed
  // is found by this one. Only cancels pay for it: an index on the status would take the update of every order out of
  // its page
  'ordering.orders_cancel_requested': 'ordering.orders (cancel_requested_at) where cancel_requested_at is not null',
  'events.dead_letters_of_chain': 'events.dead_letters (correlation_id)',
  // What a customer reads is found by the database's own times: newest first, and what happened since a moment. Ids are
  // of the clocks of the functions. Without the id, or the planner could take it for a look-up by customer and id, and
  // walk through all that the customer has.
  'ordering.orders_by_time': 'ordering.orders (user_id, created_at)',
  'ordering.orders_by_cancel': 'ordering.orders (user_id, cancel_requested_at) where cancel_requested_at is not null',
  'notifying.notifications_by_time': 'notifying.notifications (user_id, created_at)',
  'billing.deposits_by_time': 'billing.deposits (user_id, created_at)',
  'events.dead_letters_by_time': 'events.dead_letters (first_parked_at, id)',
  // null for nearly every row, so it costs only what is gathered
  'notifying.notifications_of_digest': 'notifying.notifications (user_id, digest_at) where digest_at is not null',
};

/** @param {import('node-pg-migrate').MigrationBuilder} pgm */
export function up(pgm) {
  pgm.noTransaction();
  // it holds nobody up while it waits for old transactions to end
  pgm.sql('set lock_timeout = 0');
  for (const [name, definition] of Object.entries(indexes)) {
    pgm.sql(`drop index concurrently if exists ${name}`);
    pgm.sql(`create index concurrently ${name.split('.')[1]} on ${definition}`);
  }
  // their successors are there
  pgm.sql('drop index concurrently if exists ordering.orders_of_user');
  pgm.sql('drop index concurrently if exists notifying.notifications_of_user');
  pgm.sql('set lock_timeout = 300');
}

export const down = false;
