-- +goose Up

-- What became of a COMMIT whose answer was lost: each process has as many rows as
-- it has had such transactions at once, and writes another number with each.
CREATE TABLE IF NOT EXISTS ds_receipts (
  id     BINARY(16)  NOT NULL,
  number BIGINT      NOT NULL,
  at     DATETIME(6) NOT NULL,
  PRIMARY KEY (id),
  KEY by_time (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
