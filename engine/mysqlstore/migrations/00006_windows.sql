-- +goose Up

-- Which stretch of time a job is to import, for as long as the job: fixed once,
-- never changed. Times are microseconds since 1970-01-01 UTC, which may be before
-- that day.
CREATE TABLE IF NOT EXISTS ds_windows (
  job      BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  start_at BIGINT          NOT NULL,
  end_at   BIGINT          NOT NULL,
  backfill TINYINT         NOT NULL
) ENGINE=InnoDB;

-- Up to where all is imported, and where the window began that brought it there.
CREATE TABLE IF NOT EXISTS ds_window_ends (
  type     INT UNSIGNED NOT NULL,
  instance VARCHAR(190) NOT NULL,
  start_at BIGINT       NOT NULL,
  end_at   BIGINT       NOT NULL,
  PRIMARY KEY (type, instance)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- What a job has to do with windows, as bits: 1 it has one, and its completion moves
-- the end; 2 it is a backfill's, and waits in queues of their own (bit 31). MySQL has
-- no ADD COLUMN IF NOT EXISTS, and a process that dies here leaves the column.
SET @ds_alter = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE ds_jobs ADD COLUMN windowed TINYINT UNSIGNED NOT NULL DEFAULT 0', 'DO 0')
  FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'ds_jobs' AND column_name = 'windowed');
PREPARE ds_alter FROM @ds_alter;
EXECUTE ds_alter;
DEALLOCATE PREPARE ds_alter;
