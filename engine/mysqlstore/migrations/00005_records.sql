-- +goose Up

-- What is known of the rows of scripts' sources: see engine.Record. name is the
-- key as JSON, ksum how it begins and its hash; hash, was and met are of contents. gone: it was
-- forgotten, and the row stays until the job that did so is final.
CREATE TABLE IF NOT EXISTS ds_records (
  type     INT UNSIGNED     NOT NULL,
  instance VARCHAR(190)     NOT NULL,
  source   VARCHAR(190)     NOT NULL,
  ksum     BINARY(24)       NOT NULL,
  hash     BINARY(16)       NULL,
  was      BINARY(16)       NULL,
  met      BINARY(16)       NULL,
  job      BIGINT UNSIGNED  NOT NULL,
  phase    TINYINT UNSIGNED NOT NULL,
  pass     BIGINT           NOT NULL,
  gone     TINYINT          NOT NULL,
  seen     BIGINT UNSIGNED  NOT NULL,
  name     VARCHAR(1000)    NOT NULL,
  id       VARCHAR(500)     NULL,
  PRIMARY KEY (type, instance, source, ksum)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- In which sources a job has forgotten rows, so that they are found when it is final.
CREATE TABLE IF NOT EXISTS ds_forgotten (
  job      BIGINT UNSIGNED NOT NULL,
  type     INT UNSIGNED    NOT NULL,
  instance VARCHAR(190)    NOT NULL,
  source   VARCHAR(190)    NOT NULL,
  PRIMARY KEY (job, type, instance, source)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
