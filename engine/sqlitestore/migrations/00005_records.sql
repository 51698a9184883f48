-- +goose Up

-- What is known of the rows of scripts' sources: see engine.Record. name is the
-- key as JSON, ksum how it begins and its hash; hash, was and met are of contents. gone: it was
-- forgotten, and the row stays until the job that did so is final.
CREATE TABLE IF NOT EXISTS ds_records (
  type     INTEGER NOT NULL,
  instance TEXT NOT NULL,
  source   TEXT NOT NULL,
  ksum     BLOB NOT NULL,
  hash     BLOB NULL,
  was      BLOB NULL,
  met      BLOB NULL,
  job      INTEGER NOT NULL,
  phase    INTEGER NOT NULL,
  pass     INTEGER NOT NULL,
  gone     INTEGER NOT NULL,
  seen     INTEGER NOT NULL,
  name     TEXT NOT NULL,
  id       TEXT NULL,
  PRIMARY KEY (type, instance, source, ksum)
) WITHOUT ROWID;

-- In which sources a job has forgotten rows, so that they are found when it is final.
CREATE TABLE IF NOT EXISTS ds_forgotten (
  job      INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  instance TEXT NOT NULL,
  source   TEXT NOT NULL,
  PRIMARY KEY (job, type, instance, source)
) WITHOUT ROWID;
