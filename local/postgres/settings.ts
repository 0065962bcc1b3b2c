/** How the server differs from Postgres' own defaults, for a shop on a laptop. fsync and synchronous_commit stay on. */
export const serverSettings = [
  // only this machine, only by TCP: a socket would need a folder that every user may write to
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  // with --processes every function has a pool of its own (8 by default, 14 functions); 100 would not do
  'max_connections=200',
  // twice the default: what every order touches stays in memory for longer
  'shared_buffers=256MB',
  // What lies between two checkpoints is replayed after a kill -9, at 100 to 250 MB a second: the default of 1 GB took
  // 5 s, this takes 1 to 2 s. At 4,000 orders a second a checkpoint then comes every 15 s; measured beside 1 GB
  // it cost nothing in orders a second or in latency. It is meant, hence no warning.
  'max_wal_size=256MB',
  'checkpoint_warning=0',
  // segments are used again, not zeroed anew after every quiet hour
  'min_wal_size=256MB',
  // Statements find their rows by keys, so a small sample of a table will do: while tables are young a new one is taken
  // every few seconds, and with the default of 100 each took a core for up to 0.4 s, which orders waited for.
  'default_statistics_target=10',
  // compiling a plan takes longer than any statement of the shop
  'jit=off',
  // fresh tables get their first statistics within seconds, not after a minute; more often is felt with many databases
  'autovacuum_naptime=10s',
  // fatal errors and notices of the server only: what a statement did wrong is its caller's to log, and may name people
  'log_min_messages=log',
  'log_checkpoints=off',
  // our log adds the time
  'log_line_prefix=',
];
