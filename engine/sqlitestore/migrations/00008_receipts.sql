-- +goose Up

-- What became of a COMMIT whose answer was lost: each process has as many rows as
-- it has had such transactions at once, and writes another number with each.
CREATE TABLE IF NOT EXISTS ds_receipts (
  id     BLOB    NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL,
  at     TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS ds_receipts_by_time ON ds_receipts (at);
