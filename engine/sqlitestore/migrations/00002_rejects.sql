-- +goose Up

-- Rows that scripts rejected, with their reason, for as long as their job. kept:
-- 0 committed with the job, 1 by an attempt that failed for its rejects, 2 of an
-- earlier run, before a retry. redrive is the job that redrives it, or did last,
-- and redriven says that it has: one that failed leaves its rejects open; 2 is one that
-- a person has closed. whole: the row was the job's item; cut: data is the row's beginning.
CREATE TABLE IF NOT EXISTS ds_rejects (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  job      INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  phase    INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  kept     INTEGER NOT NULL,
  at       TEXT NOT NULL,
  whole    INTEGER NOT NULL,
  cut      INTEGER NOT NULL,
  redrive  INTEGER NOT NULL DEFAULT 0,
  redriven INTEGER NOT NULL DEFAULT 0,
  line     INTEGER NOT NULL,
  instance TEXT NULL,
  source   TEXT NULL,
  reason   TEXT NOT NULL,
  data     TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS ds_rejects_by_job ON ds_rejects (job, id);
CREATE INDEX IF NOT EXISTS ds_rejects_by_type ON ds_rejects (type, id);
CREATE INDEX IF NOT EXISTS ds_rejects_by_redrive ON ds_rejects (redrive, id);

-- What a job in consume redrives: 0 nothing, 1 rows, 2 what was an item.
ALTER TABLE ds_jobs ADD COLUMN redrive INTEGER NOT NULL DEFAULT 0;
