-- +goose Up

-- Hot: what may be claimed now. Inserted into and deleted from by primary key
-- only. queue is type*4 + phase-1; alone marks a job to be claimed by itself.
CREATE TABLE IF NOT EXISTS ds_ready (
  queue    INT UNSIGNED    NOT NULL,
  priority TINYINT         NOT NULL,
  id       BIGINT UNSIGNED NOT NULL,
  epoch    INT UNSIGNED    NOT NULL,
  alone    TINYINT         NOT NULL DEFAULT 0,
  PRIMARY KEY (queue, priority, id)
) ENGINE=InnoDB STATS_PERSISTENT=0;

-- Hot: what becomes ready at a time. due is the job's run_at.
CREATE TABLE IF NOT EXISTS ds_delayed (
  due      DATETIME(6)     NOT NULL,
  id       BIGINT UNSIGNED NOT NULL,
  queue    INT UNSIGNED    NOT NULL,
  priority TINYINT         NOT NULL,
  epoch    INT UNSIGNED    NOT NULL,
  PRIMARY KEY (due, id)
) ENGINE=InnoDB STATS_PERSISTENT=0;

-- Cold: one row per job, touched by primary key. 1970-01-01 stands for no time,
-- and 0 for no server: a row that does not grow when its job completes splits
-- no page. phase: 1 produce 2 consume 3 finish 4 fail; status: 1 waiting 3 open
-- 4 completed 5 failed 6 cancelled (running is: a claim holds id and epoch).
CREATE TABLE IF NOT EXISTS ds_jobs (
  id            BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
  type          INT UNSIGNED      NOT NULL,
  phase         TINYINT UNSIGNED  NOT NULL,
  status        TINYINT UNSIGNED  NOT NULL,
  priority      TINYINT           NOT NULL,
  epoch         INT UNSIGNED      NOT NULL DEFAULT 0,
  attempts      SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  losses        SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  failed_phase  TINYINT UNSIGNED  NOT NULL DEFAULT 0,
  verdict       TINYINT UNSIGNED  NOT NULL DEFAULT 0,
  cancel        TINYINT UNSIGNED  NOT NULL DEFAULT 0,
  items         INT UNSIGNED      NOT NULL DEFAULT 0,
  checkpoints   INT UNSIGNED      NOT NULL DEFAULT 0,
  parent        BIGINT UNSIGNED   NOT NULL DEFAULT 0,
  server        BIGINT UNSIGNED   NOT NULL DEFAULT 0,
  created_at    DATETIME(6)       NOT NULL,
  run_at        DATETIME(6)       NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  started_at    DATETIME(6)       NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  finished_at   DATETIME(6)       NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  scheduled_for DATETIME(6)       NULL,
  instance      VARCHAR(190)      NULL,
  job_key       VARCHAR(255)      NULL,
  position      LONGTEXT          NULL,
  PRIMARY KEY (id),
  KEY by_type (type, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- What the jobs work on, apart from what is updated. item is what produce
-- handed on to consume.
CREATE TABLE IF NOT EXISTS ds_payloads (
  id      BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  payload LONGTEXT        NULL,
  item    LONGTEXT        NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ds_results (
  id     BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  result LONGTEXT        NULL,
  stats  TEXT            NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The right to run some jobs: jobs is [first id, how many, epoch, ...] for runs
-- of ids, size how many there were at first.
CREATE TABLE IF NOT EXISTS ds_claims (
  id         BINARY(16)      NOT NULL PRIMARY KEY,
  server     BIGINT UNSIGNED NOT NULL,
  size       INT UNSIGNED    NOT NULL,
  claimed_at DATETIME(6)     NOT NULL,
  jobs       MEDIUMTEXT      NOT NULL,
  KEY by_server (server)
) ENGINE=InnoDB DEFAULT CHARSET=ascii STATS_PERSISTENT=0;

-- One row per process that runs, or ran, jobs.
CREATE TABLE IF NOT EXISTS ds_servers (
  id          BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name        VARCHAR(190)     NOT NULL,
  host        VARCHAR(255)     NOT NULL,
  pid         BIGINT           NOT NULL,
  version     VARCHAR(60)      NOT NULL,
  types       MEDIUMTEXT       NOT NULL,
  started_at  DATETIME(6)      NOT NULL,
  seen_at     DATETIME(6)      NOT NULL,
  lease_until DATETIME(6)      NOT NULL,
  stopped_at  DATETIME(6)      NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  beat        BIGINT           NOT NULL DEFAULT 0,
  dead        TINYINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation} STATS_PERSISTENT=0;

CREATE TABLE IF NOT EXISTS ds_types (
  id           INT UNSIGNED     NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name         VARCHAR(190)     NOT NULL,
  doc          TEXT             NOT NULL,
  version      VARCHAR(64)      NOT NULL,
  hooks        TINYINT UNSIGNED NOT NULL,
  priority     TINYINT          NOT NULL,
  max_attempts INT UNSIGNED     NOT NULL,
  keep_for     TEXT             NOT NULL,
  UNIQUE KEY by_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- Keys, and the jobs that hold them. keep_for is how many seconds a key stays
-- taken after its job completed at done_at (-1: for ever; 0: it goes with its
-- job). A key to be kept stays here when its job fails, too: for its retry.
CREATE TABLE IF NOT EXISTS ds_keys (
  type     INT UNSIGNED    NOT NULL,
  hash     BINARY(20)      NOT NULL,
  job      BIGINT UNSIGNED NOT NULL,
  token    BINARY(8)       NOT NULL,
  keep_for BIGINT          NOT NULL,
  done_at  DATETIME(6)     NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  PRIMARY KEY (type, hash)
) ENGINE=InnoDB STATS_PERSISTENT=0;

-- The items of an emitter that have settled; its row in ds_jobs says how many
-- there are.
CREATE TABLE IF NOT EXISTS ds_parents (
  id        BIGINT UNSIGNED  NOT NULL PRIMARY KEY,
  type      INT UNSIGNED     NOT NULL,
  phase     TINYINT UNSIGNED NOT NULL,
  completed BIGINT           NOT NULL DEFAULT 0,
  failed    BIGINT           NOT NULL DEFAULT 0,
  cancelled BIGINT           NOT NULL DEFAULT 0,
  stats     TEXT             NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The emitters that are open.
CREATE TABLE IF NOT EXISTS ds_open (
  type INT UNSIGNED    NOT NULL,
  id   BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (type, id)
) ENGINE=InnoDB STATS_PERSISTENT=0;

-- Which jobs an emitter made: a range of ids per commit.
CREATE TABLE IF NOT EXISTS ds_emissions (
  parent   BIGINT UNSIGNED NOT NULL,
  first_id BIGINT UNSIGNED NOT NULL,
  last_id  BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (parent, first_id)
) ENGINE=InnoDB;

-- What settled jobs report; inserted with their commit, folded by any server
-- into ds_parents and ds_counters.
CREATE TABLE IF NOT EXISTS ds_deltas (
  id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  parent    BIGINT UNSIGNED NOT NULL,
  type      INT UNSIGNED    NOT NULL,
  at        DATETIME(6)     NOT NULL,
  created   INT             NOT NULL DEFAULT 0,
  completed INT             NOT NULL DEFAULT 0,
  failed    INT             NOT NULL DEFAULT 0,
  cancelled INT             NOT NULL DEFAULT 0,
  retries   INT             NOT NULL DEFAULT 0,
  losses    INT             NOT NULL DEFAULT 0,
  ran_ms    BIGINT          NOT NULL DEFAULT 0,
  stats     TEXT            NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin STATS_PERSISTENT=0;

-- Totals by type and hour; the hour 1970-01-01 holds those of all time.
CREATE TABLE IF NOT EXISTS ds_counters (
  type      INT UNSIGNED NOT NULL,
  hour      DATETIME     NOT NULL,
  created   BIGINT       NOT NULL DEFAULT 0,
  completed BIGINT       NOT NULL DEFAULT 0,
  failed    BIGINT       NOT NULL DEFAULT 0,
  cancelled BIGINT       NOT NULL DEFAULT 0,
  retries   BIGINT       NOT NULL DEFAULT 0,
  losses    BIGINT       NOT NULL DEFAULT 0,
  ran_ms    BIGINT       NOT NULL DEFAULT 0,
  stats     TEXT         NULL,
  PRIMARY KEY (type, hour)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Attempts that failed, or logged something.
CREATE TABLE IF NOT EXISTS ds_attempts (
  id          BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job         BIGINT UNSIGNED  NOT NULL,
  phase       TINYINT UNSIGNED NOT NULL,
  attempt     INT UNSIGNED     NOT NULL,
  server      BIGINT UNSIGNED  NOT NULL,
  started_at  DATETIME(6)      NOT NULL,
  finished_at DATETIME(6)      NOT NULL,
  failure     MEDIUMTEXT       NULL,
  KEY by_job (job, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The jobs that are failed, and why.
CREATE TABLE IF NOT EXISTS ds_failures (
  type      INT UNSIGNED    NOT NULL,
  job       BIGINT UNSIGNED NOT NULL,
  failed_at DATETIME(6)     NOT NULL,
  failure   MEDIUMTEXT      NULL,
  PRIMARY KEY (type, job)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ds_logs (
  id      BIGINT UNSIGNED  NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job     BIGINT UNSIGNED  NOT NULL,
  type    INT UNSIGNED     NOT NULL,
  phase   TINYINT UNSIGNED NOT NULL,
  attempt INT UNSIGNED     NOT NULL,
  at      DATETIME(6)      NOT NULL,
  level   VARCHAR(5)       NOT NULL,
  message MEDIUMTEXT       NOT NULL,
  fields  MEDIUMTEXT       NULL,
  KEY by_job (job, id),
  KEY by_type (type, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ds_progress (
  job   BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  done  BIGINT          NOT NULL,
  total BIGINT          NULL,
  note  TEXT            NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Jobs that run and were asked to stop.
CREATE TABLE IF NOT EXISTS ds_signals (
  id    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job   BIGINT UNSIGNED NOT NULL,
  epoch INT UNSIGNED    NOT NULL,
  at    DATETIME(6)     NOT NULL
) ENGINE=InnoDB STATS_PERSISTENT=0;

-- Emitters that were cancelled and whose items are being cancelled.
CREATE TABLE IF NOT EXISTS ds_sweeps (
  parent  BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  last_id BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS ds_schedules (
  type       INT UNSIGNED     NOT NULL,
  instance   VARCHAR(190)     NOT NULL,
  hash       CHAR(32)         NOT NULL,
  definition TEXT             NOT NULL,
  phase      TINYINT UNSIGNED NOT NULL,
  priority   TINYINT          NOT NULL,
  next_at    DATETIME(6)      NOT NULL,
  owes       TINYINT UNSIGNED NOT NULL DEFAULT 0,
  last_job   BIGINT UNSIGNED  NOT NULL DEFAULT 0,
  last_at    DATETIME(6)      NOT NULL DEFAULT '1970-01-01 00:00:00.000000',
  PRIMARY KEY (type, instance)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- Types' own state (type > 0) and shared variables (type 0). A deleted value
-- is NULL and keeps its version, so that a version never comes back.
CREATE TABLE IF NOT EXISTS ds_vars (
  type       INT UNSIGNED NOT NULL,
  instance   VARCHAR(190) NOT NULL,
  name       VARCHAR(190) NOT NULL,
  value      MEDIUMTEXT   NULL,
  version    BIGINT       NOT NULL,
  changed_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (type, instance, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- The versions of these tables, by name, for programs that do not know them.
CREATE TABLE IF NOT EXISTS ds_schema (
  version BIGINT       NOT NULL PRIMARY KEY,
  name    VARCHAR(190) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
