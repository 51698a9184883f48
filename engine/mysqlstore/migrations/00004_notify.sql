-- +goose Up

-- Which notifications were sent, so that they are not sent again before ends_at.
-- sent is 0 while the job owner is about to send it.
CREATE TABLE IF NOT EXISTS ds_notices (
  hash    CHAR(32)        NOT NULL,
  owner   BIGINT UNSIGNED NOT NULL,
  sent    TINYINT         NOT NULL,
  ends_at DATETIME(6)     NOT NULL,
  PRIMARY KEY (hash),
  KEY by_end (ends_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
