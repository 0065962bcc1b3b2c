import { maybeOne, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

export interface StoredUser {
  id: string;
  email: string;
  name: string;
  createdAt: Date;
}

interface NewUser {
  id: string;
  email: string;
  name: string;
  passwordHash: string;
}

const insert = statement<StoredUser>(
  'register-user.insert',
  `
  with added as (
    insert into users.users (id, email, name, password_hash)
    values ($1::uuid, $2::text, $3::text, $4::text)
    on conflict do nothing
    returning id, email, name, created_at
  ), stored as (
    insert into events.outbox (id, event)
    select $5::text, $6::json
      from added
  )
  select id, email, name, created_at as "createdAt"
    from added`,
);

/** Adds a user, and inserts the outbox row of `event`; returns nothing if the e-mail or the id exists already. */
export const insertUser = ({ id, email, name, passwordHash }: NewUser, event: ShopEvent) =>
  maybeOne(insert, [id, email, name, passwordHash, event.id, event]);

const find = statement<StoredUser>(
  'register-user.find',
  `
  select id, email, name, created_at as "createdAt"
    from users.users
   where id = $1::uuid
     and email = $2::text`,
);

/** The user that the same request added before. */
export const findOwn = (id: string, email: string) => maybeOne(find, [id, email]);
