import { maybeOne, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

export interface User {
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

const insert = statement<User>(
  'register-user.insert',
  `
  with added as (
    insert into users.users (id, email, name, password_hash)
    values ($1::uuid, $2::text, $3::text, $4::text)
    on conflict do nothing
    returning id, email, name, created_at
  ), kept as (
    insert into events.outbox (id, event)
    select $5::text, $6::json
      from added
  )
  select id, email, name, created_at as "createdAt"
    from added`,
);

/** Adds a user together with the outbox row of `event`; nothing if the e-mail or the id is there already. */
export const insertUser = ({ id, email, name, passwordHash }: NewUser, event: ShopEvent) =>
  maybeOne(insert, [id, email, name, passwordHash, event.id, event]);

const find = statement<User>(
  'register-user.find',
  `
  select id, email, name, created_at as "createdAt"
    from users.users
   where id = $1::uuid
     and email = $2::text`,
);

/** The user that this request added before. */
export const findOwn = (id: string, email: string) => maybeOne(find, [id, email]);
