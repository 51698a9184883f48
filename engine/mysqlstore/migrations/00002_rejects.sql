-- +goose Up

-- Rows that scripts rejected, with their reason, for as long as their job. kept:
-- 0 committed with the job, 1 by an attempt that failed for its rejects, 2 of an
-- earlier run, before a retry. redrive is the job that redrives it, or did last,
-- and redriven says that it has: one that failed leaves its rejects open; 2 is one that
-- a person has closed. whole: the row was the job's item; cut: data is the row's beginning.
CREATE TABLE IF NOT EXISTS ds_rejects (
  id       BIGINT UNSIGNED   NOT NULL AUTO_INCREMENT,
  job      BIGINT UNSIGNED   NOT NULL,
  type     INT UNSIGNED      NOT NULL,
  phase    TINYINT UNSIGNED  NOT NULL,
  attempt  SMALLINT UNSIGNED NOT NULL,
  kept     TINYINT           NOT NULL,
  at       DATETIME(6)       NOT NULL,
  whole    TINYINT           NOT NULL,
  cut      TINYINT           NOT NULL,
  redrive  BIGINT UNSIGNED   NOT NULL DEFAULT 0,
  redriven TINYINT           NOT NULL DEFAULT 0,
  line     BIGINT            NOT NULL,
  instance VARCHAR(190)      NULL,
  source   TEXT              NULL,
  reason   TEXT              NOT NULL,
  data     LONGTEXT          NOT NULL,
  PRIMARY KEY (id),
  KEY by_job (job, id),
  KEY by_type (type, id),
  KEY by_redrive (redrive, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- What a job in consume redrives: 0 nothing, 1 rows, 2 what was an item. MySQL
-- has no ADD COLUMN IF NOT EXISTS, and a process that dies here leaves the column.
SET @ds_alter = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE ds_jobs ADD COLUMN redrive TINYINT UNSIGNED NOT NULL DEFAULT 0', 'DO 0')
  FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'ds_jobs' AND column_name = 'redrive');
PREPARE ds_alter FROM @ds_alter;
EXECUTE ds_alter;
DEALLOCATE PREPARE ds_alter;
