-- +goose Up

-- Hot: what may be claimed now. Inserted into and deleted from by primary key
-- only. queue is type*4 + phase-1; alone marks a job to be claimed by itself.
CREATE TABLE IF NOT EXISTS ds_ready (
  queue    INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  id       INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  alone    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (queue, priority, id)
) WITHOUT ROWID;

-- Hot: what becomes ready at a time. due is the job's run_at.
CREATE TABLE IF NOT EXISTS ds_delayed (
  due      TEXT NOT NULL,
  id       INTEGER NOT NULL,
  queue    INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  PRIMARY KEY (due, id)
) WITHOUT ROWID;

-- Cold: one row per job, touched by primary key. 1970-01-01 stands for no time,
-- and 0 for no server: a row that does not grow when its job completes splits
-- no page. phase: 1 produce 2 consume 3 finish 4 fail; status: 1 waiting 3 open
-- 4 completed 5 failed 6 cancelled (running is: a claim holds id and epoch).
CREATE TABLE IF NOT EXISTS ds_jobs (
  id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  type          INTEGER NOT NULL,
  phase         INTEGER NOT NULL,
  status        INTEGER NOT NULL,
  priority      INTEGER NOT NULL,
  epoch         INTEGER NOT NULL DEFAULT 0,
  attempts      INTEGER NOT NULL DEFAULT 0,
  losses        INTEGER NOT NULL DEFAULT 0,
  failed_phase  INTEGER NOT NULL DEFAULT 0,
  verdict       INTEGER NOT NULL DEFAULT 0,
  cancel        INTEGER NOT NULL DEFAULT 0,
  items         INTEGER NOT NULL DEFAULT 0,
  checkpoints   INTEGER NOT NULL DEFAULT 0,
  parent        INTEGER NOT NULL DEFAULT 0,
  server        INTEGER NOT NULL DEFAULT 0,
  created_at    TEXT NOT NULL,
  run_at        TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  started_at    TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  finished_at   TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  scheduled_for TEXT NULL,
  instance      TEXT NULL,
  job_key       TEXT NULL,
  position      TEXT NULL
);

-- What the jobs work on, apart from what is updated. item is what produce
-- handed on to consume.
CREATE TABLE IF NOT EXISTS ds_payloads (
  id      INTEGER NOT NULL PRIMARY KEY,
  payload TEXT NULL,
  item    TEXT NULL
);

CREATE TABLE IF NOT EXISTS ds_results (
  id     INTEGER NOT NULL PRIMARY KEY,
  result TEXT NULL,
  stats  TEXT NULL
);

-- The right to run some jobs: jobs is [first id, how many, epoch, ...] for runs
-- of ids, size how many there were at first.
CREATE TABLE IF NOT EXISTS ds_claims (
  id         BLOB NOT NULL PRIMARY KEY,
  server     INTEGER NOT NULL,
  size       INTEGER NOT NULL,
  claimed_at TEXT NOT NULL,
  jobs       TEXT NOT NULL
) WITHOUT ROWID;

-- One row per process that runs, or ran, jobs.
CREATE TABLE IF NOT EXISTS ds_servers (
  id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL,
  host        TEXT NOT NULL,
  pid         INTEGER NOT NULL,
  version     TEXT NOT NULL,
  types       TEXT NOT NULL,
  started_at  TEXT NOT NULL,
  seen_at     TEXT NOT NULL,
  lease_until TEXT NOT NULL,
  stopped_at  TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  beat        INTEGER NOT NULL DEFAULT 0,
  dead        INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS ds_types (
  id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL,
  doc          TEXT NOT NULL,
  version      TEXT NOT NULL,
  hooks        INTEGER NOT NULL,
  priority     INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  keep_for     TEXT NOT NULL
);

-- Keys, and the jobs that hold them. keep_for is how many seconds a key stays
-- taken after its job completed at done_at (-1: for ever; 0: it goes with its
-- job). A key to be kept stays here when its job fails, too: for its retry.
CREATE TABLE IF NOT EXISTS ds_keys (
  type     INTEGER NOT NULL,
  hash     BLOB NOT NULL,
  job      INTEGER NOT NULL,
  token    BLOB NOT NULL,
  keep_for INTEGER NOT NULL,
  done_at  TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  PRIMARY KEY (type, hash)
) WITHOUT ROWID;

-- The items of an emitter that have settled; its row in ds_jobs says how many
-- there are.
CREATE TABLE IF NOT EXISTS ds_parents (
  id        INTEGER NOT NULL PRIMARY KEY,
  type      INTEGER NOT NULL,
  phase     INTEGER NOT NULL,
  completed INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  stats     TEXT NULL
);

-- The emitters that are open.
CREATE TABLE IF NOT EXISTS ds_open (
  type INTEGER NOT NULL,
  id   INTEGER NOT NULL,
  PRIMARY KEY (type, id)
) WITHOUT ROWID;

-- Which jobs an emitter made: a range of ids per commit.
CREATE TABLE IF NOT EXISTS ds_emissions (
  parent   INTEGER NOT NULL,
  first_id INTEGER NOT NULL,
  last_id  INTEGER NOT NULL,
  PRIMARY KEY (parent, first_id)
) WITHOUT ROWID;

-- What settled jobs report; inserted with their commit, folded by any server
-- into ds_parents and ds_counters.
CREATE TABLE IF NOT EXISTS ds_deltas (
  id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  parent    INTEGER NOT NULL,
  type      INTEGER NOT NULL,
  at        TEXT NOT NULL,
  created   INTEGER NOT NULL DEFAULT 0,
  completed INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  retries   INTEGER NOT NULL DEFAULT 0,
  losses    INTEGER NOT NULL DEFAULT 0,
  ran_ms    INTEGER NOT NULL DEFAULT 0,
  stats     TEXT NULL
);

-- Totals by type and hour; the hour 1970-01-01 holds those of all time.
CREATE TABLE IF NOT EXISTS ds_counters (
  type      INTEGER NOT NULL,
  hour      TEXT NOT NULL,
  created   INTEGER NOT NULL DEFAULT 0,
  completed INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  retries   INTEGER NOT NULL DEFAULT 0,
  losses    INTEGER NOT NULL DEFAULT 0,
  ran_ms    INTEGER NOT NULL DEFAULT 0,
  stats     TEXT NULL,
  PRIMARY KEY (type, hour)
) WITHOUT ROWID;

-- Attempts that failed, or logged something.
CREATE TABLE IF NOT EXISTS ds_attempts (
  id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  job         INTEGER NOT NULL,
  phase       INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  server      INTEGER NOT NULL,
  started_at  TEXT NOT NULL,
  finished_at TEXT NOT NULL,
  failure     TEXT NULL
);

-- The jobs that are failed, and why.
CREATE TABLE IF NOT EXISTS ds_failures (
  type      INTEGER NOT NULL,
  job       INTEGER NOT NULL,
  failed_at TEXT NOT NULL,
  failure   TEXT NULL,
  PRIMARY KEY (type, job)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ds_logs (
  id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  job     INTEGER NOT NULL,
  type    INTEGER NOT NULL,
  phase   INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at      TEXT NOT NULL,
  level   TEXT NOT NULL,
  message TEXT NOT NULL,
  fields  TEXT NULL
);

CREATE TABLE IF NOT EXISTS ds_progress (
  job   INTEGER NOT NULL PRIMARY KEY,
  done  INTEGER NOT NULL,
  total INTEGER NULL,
  note  TEXT NOT NULL
);

-- Jobs that run and were asked to stop.
CREATE TABLE IF NOT EXISTS ds_signals (
  id    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  job   INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  at    TEXT NOT NULL
);

-- Emitters that were cancelled and whose items are being cancelled.
CREATE TABLE IF NOT EXISTS ds_sweeps (
  parent  INTEGER NOT NULL PRIMARY KEY,
  last_id INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS ds_schedules (
  type       INTEGER NOT NULL,
  instance   TEXT NOT NULL,
  hash       TEXT NOT NULL,
  definition TEXT NOT NULL,
  phase      INTEGER NOT NULL,
  priority   INTEGER NOT NULL,
  next_at    TEXT NOT NULL,
  owes       INTEGER NOT NULL DEFAULT 0,
  last_job   INTEGER NOT NULL DEFAULT 0,
  last_at    TEXT NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  PRIMARY KEY (type, instance)
) WITHOUT ROWID;

-- Types' own state (type > 0) and shared variables (type 0). A deleted value
-- is NULL and keeps its version, so that a version never comes back.
CREATE TABLE IF NOT EXISTS ds_vars (
  type       INTEGER NOT NULL,
  instance   TEXT NOT NULL,
  name       TEXT NOT NULL,
  value      TEXT NULL,
  version    INTEGER NOT NULL,
  changed_at TEXT NOT NULL,
  PRIMARY KEY (type, instance, name)
) WITHOUT ROWID;

-- The versions of these tables, by name, for programs that do not know them.
CREATE TABLE IF NOT EXISTS ds_schema (
  version INTEGER NOT NULL PRIMARY KEY,
  name    TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS ds_jobs_by_type ON ds_jobs (type, id);
CREATE INDEX IF NOT EXISTS ds_claims_by_server ON ds_claims (server);
CREATE UNIQUE INDEX IF NOT EXISTS ds_types_by_name ON ds_types (name);
CREATE INDEX IF NOT EXISTS ds_attempts_by_job ON ds_attempts (job, id);
CREATE INDEX IF NOT EXISTS ds_logs_by_job ON ds_logs (job, id);
CREATE INDEX IF NOT EXISTS ds_logs_by_type ON ds_logs (type, id);
