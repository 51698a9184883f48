-- +goose Up

-- Which stretch of time a job is to import, for as long as the job: fixed once,
-- never changed. Times are microseconds since 1970-01-01 UTC, which may be before
-- that day.
CREATE TABLE IF NOT EXISTS ds_windows (
  job      INTEGER NOT NULL PRIMARY KEY,
  start_at INTEGER NOT NULL,
  end_at   INTEGER NOT NULL,
  backfill INTEGER NOT NULL
);

-- Up to where all is imported, and where the window began that brought it there.
CREATE TABLE IF NOT EXISTS ds_window_ends (
  type     INTEGER NOT NULL,
  instance TEXT NOT NULL,
  start_at INTEGER NOT NULL,
  end_at   INTEGER NOT NULL,
  PRIMARY KEY (type, instance)
) WITHOUT ROWID;

-- What a job has to do with windows, as bits: 1 it has one, and its completion moves
-- the end; 2 it is a backfill's, and waits in queues of their own (bit 31).
ALTER TABLE ds_jobs ADD COLUMN windowed INTEGER NOT NULL DEFAULT 0;
