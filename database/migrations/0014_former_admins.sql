-- A former administrator is a customer like every other one, but may be made the administrator again by the settings: a
-- customer may not, because they chose the e-mail and the password themselves. A constant default rewrites nothing.
alter table users.users
  add column was_admin boolean not null default false;
