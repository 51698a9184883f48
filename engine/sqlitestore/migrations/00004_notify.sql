-- +goose Up

-- Which notifications were sent, so that they are not sent again before ends_at.
-- sent is 0 while the job owner is about to send it.
CREATE TABLE IF NOT EXISTS ds_notices (
  hash    TEXT NOT NULL PRIMARY KEY,
  owner   INTEGER NOT NULL,
  sent    INTEGER NOT NULL,
  ends_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS ds_notices_by_end ON ds_notices (ends_at);
