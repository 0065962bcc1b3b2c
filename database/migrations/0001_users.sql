create schema users;

create table users.users (
  id uuid primary key,
  email text not null unique check (email = lower(email)),
  name text not null,
  -- argon2id in PHC form; null never, readable never
  password_hash text not null check (password_hash like '$argon2id$%'),
  role text not null default 'customer' check (role in ('customer', 'admin')),
  created_at timestamptz not null default now()
);
