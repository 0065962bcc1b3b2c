/** The settings that differ from Postgres' defaults, for a shop on a laptop. fsync and synchronous_commit stay on. */
export const serverSettings = [
  // loopback TCP only: a socket would need a folder that every user can write
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  // with --processes each of the 14 functions has its own pool (8 by default): the default of 100 is too low
  'max_connections=200',
  // twice the default, so that pages stay in memory for longer
  'shared_buffers=256MB',
  // After a kill -9 Postgres replays the WAL since the last checkpoint, at 100 to 250 MB per second: the default of 1
  // GB took 5 s, this takes 1 to 2 s. At 4,000 orders per second it causes a checkpoint every 15 s, which measurably
  // changed neither throughput nor latency. Intended, hence no warning.
  'max_wal_size=256MB',
  'checkpoint_warning=0',
  // segments are recycled, not created and zeroed again after every quiet hour
  'min_wal_size=256MB',
  // Statements find their rows by keys, so small samples suffice. Growing tables are analyzed every few seconds; with
  // the default of 100 each analyze occupied a core for up to 0.4 s, which delayed orders.
  'default_statistics_target=10',
  // compiling takes longer than executing any statement of the shop
  'jit=off',
  // new tables get their first statistics within seconds instead of a minute; shorter is costly with many databases
  'autovacuum_naptime=10s',
  // only messages of the server: the caller logs the errors of its statements, which may contain personal data
  'log_min_messages=log',
  'log_checkpoints=off',
  // the shop's log adds the time
  'log_line_prefix=',
];
