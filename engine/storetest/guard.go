package storetest

import (
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// What scripts may not run, and what they may: on MySQL and MariaDB (m), on
// SQLite (s), or on both.
var guarded = []struct {
	sql     string
	query   bool // it is given to query, else to exec
	refused bool
	on      string // "m", "s" or "" for both
}{
	// Writing.
	{"INSERT INTO t VALUES (11, 1)", false, false, ""},
	{"  insert into t values (2, 1);  ", false, false, ""},
	{"/* why */ INSERT INTO t VALUES (3, 1) -- because", false, false, ""},
	{"INSERT INTO t SELECT 4, 1", false, false, ""},
	{"UPDATE t SET v = 'ds_jobs; COMMIT' WHERE id = 1", false, false, "s"},
	{"UPDATE t SET v = 2 WHERE 'ds_jobs; COMMIT' <> \"DROP TABLE t\"", false, false, "m"},
	{"DELETE FROM t WHERE id = 2 /* ; DROP TABLE t */", false, false, ""},
	{"REPLACE INTO t VALUES (1, 5)", false, false, ""},
	{"WITH x AS (SELECT 1 AS n) DELETE FROM t WHERE id IN (SELECT n FROM x)", false, false, "s"},
	{"WITH x AS (SELECT 1 AS n) INSERT INTO t SELECT n + 20, 1 FROM x", false, false, "s"},
	{"INSERT INTO t WITH x AS (SELECT 1 AS n) SELECT n + 30, 1 FROM x", false, false, ""},
	{"SELECT 1", false, true, ""},
	{"  (select 1)", false, true, ""},
	{"VALUES (1)", false, true, ""},
	{"SHOW TABLES", false, true, ""},
	{"EXPLAIN SELECT 1", false, true, ""},
	{"WITH x AS (SELECT 1 AS n) SELECT n FROM x", false, true, ""},
	{"INSERT INTO t VALUES (1, 1); DROP TABLE t", false, true, ""},
	{"INSERT INTO t VALUES (1, 1);;", false, false, "-"},
	{"INSERT INTO t VALUES (1, 1); -- nothing more", false, false, "-"},
	{"DELETE FROM t; DELETE FROM t", false, true, ""},
	{"SELECT 1; DELETE FROM t", true, true, ""},
	{"", false, true, ""},
	{" -- only a comment", false, true, ""},
	{";", false, true, ""},
	// What ends the transaction, or changes the connection.
	{"CREATE TABLE x (id INT)", false, true, ""},
	{"create index i on t (v)", false, true, ""},
	{"ALTER TABLE t ADD x INT", false, true, ""},
	{"DROP TABLE t", false, true, ""},
	{"TRUNCATE t", false, true, ""},
	{"TRUNCATE TABLE t", false, true, ""},
	{"RENAME TABLE t TO u", false, true, ""},
	{"BEGIN", false, true, ""},
	{"START TRANSACTION", false, true, ""},
	{"COMMIT", false, true, ""},
	{"commit and chain", false, true, ""},
	{"ROLLBACK", false, true, ""},
	{"END", false, true, ""},
	{"SAVEPOINT ds", false, true, ""},
	{"RELEASE SAVEPOINT ds", false, true, ""},
	{"ROLLBACK TO SAVEPOINT ds", false, true, ""},
	{"XA START 'x'", false, true, ""},
	{"SET autocommit = 1", false, true, ""},
	{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", false, true, ""},
	{"USE mysql", false, true, ""},
	{"LOCK TABLES t WRITE", false, true, ""},
	{"UNLOCK TABLES", false, true, ""},
	{"PREPARE x FROM 'COMMIT'", false, true, ""},
	{"EXECUTE x", false, true, ""},
	{"EXECUTE IMMEDIATE 'COMMIT'", false, true, ""},
	{"FLUSH TABLES", false, true, ""},
	{"KILL 1", false, true, ""},
	{"PRAGMA journal_mode = DELETE", false, true, ""},
	{"PRAGMA table_info(t)", true, true, ""},
	{"ATTACH 'x' AS y", false, true, ""},
	{"VACUUM", false, true, ""},
	{"GRANT ALL ON *.* TO x", false, true, ""},
	{"ANALYZE TABLE t", false, true, ""},
	{"OPTIMIZE TABLE t", false, true, ""},
	{"LOAD DATA INFILE 'x' INTO TABLE t", false, true, ""},
	{"HANDLER t OPEN", false, true, ""},
	{"DELIMITER //", false, true, ""},
	{"\\! rm", false, true, ""},
	// Files of the server.
	{"SELECT 1 INTO OUTFILE '/nowhere/x'", true, true, ""},
	{"SELECT id INTO /**/ outfile '/nowhere/x' FROM t", false, true, ""},
	{"SELECT 1 /*! INTO */ DumpFile '/nowhere/x'", false, true, ""},
	{"(SELECT 1 INTO OUTFILE '/nowhere/x')", true, true, ""},
	{"WITH x AS (SELECT 1 AS n) SELECT n FROM x INTO OUTFILE '/nowhere/x'", true, true, ""},
	{"SELECT LOAD_FILE('/nowhere/x')", true, true, ""},
	{"INSERT INTO t SELECT 5, length(load_file /* */ ('/nowhere/x'))", false, true, ""},
	{"SELECT 'INTO OUTFILE x, LOAD_FILE(x)'", true, false, ""},
	{"SELECT 1 AS load_file, 2 AS `outfile`", true, false, ""},
	// Behind comments, in which a server may run something.
	{"/*! COMMIT */", false, true, ""},
	{"/*!50000 DROP TABLE t */", false, true, ""},
	{"/*M! COMMIT */", false, true, ""},
	{"/*M!100100 COMMIT */", false, true, ""},
	{"/**/COMMIT/**/", false, true, ""},
	{"-- x\nCOMMIT", false, true, ""},
	{"# x\nCOMMIT", false, true, "m"},
	{"INSERT INTO t VALUES (7, 1) /*! ; COMMIT */", false, true, "m"},
	{"DELETE FROM /*! ds_jobs */", false, true, ""},
	{"SELECT 1 --\n; COMMIT", true, true, ""},
	{"SELECT 1 --1", true, false, "m"},
	{"SELECT 1 --\x01; COMMIT", true, false, "-"},
	{"SELECT COUNT(*) --1 FROM ds_jobs", true, true, "m"},
	{"SELECT COUNT(*) --1 AS n FROM ds_jobs", true, true, "m"},
	{"UPDATE t --1\n, ds_jobs SET v = 1", false, true, "m"},
	{"SELECT COUNT(*) --1 FROM ds_jobs", true, false, "s"},
	{"SELECT COUNT(*) /*!99999 ' */ FROM ds_jobs /* ' */", true, true, ""},
	{"SELECT COUNT(*) /*M!999999 ' */ FROM ds_jobs /* ' */", true, true, ""},
	{"SELECT 1 /*! + 1 */", true, true, ""},
	{"SELECT /*+ SET_VAR(sql_mode='*/ ') */ COUNT(*) FROM ds_jobs -- ') */", true, true, "m"},
	{"SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1", true, false, "m"},
	{"SELECT '\\'; COMMIT; -- '", true, false, "m"},
	{"SELECT 'a''; COMMIT; --'", true, false, ""},
	{"SELECT '\\'; COMMIT; -- '", true, true, "s"},
	// The engine's tables, however they are written.
	{"DELETE FROM ds_jobs", false, true, ""},
	{"delete from DS_Jobs", false, true, ""},
	{"DELETE FROM `ds_jobs`", false, true, ""},
	{"DELETE FROM \"ds_jobs\"", false, true, "s"},
	{"DELETE FROM [ds_jobs]", false, true, "s"},
	{"DELETE FROM 'ds_jobs'", false, true, "s"},
	{"DELETE FROM main.'ds_jobs'", false, true, "s"},
	{"SELECT * FROM t, 'ds_jobs'", true, true, "s"},
	{"SELECT * FROM t JOIN t u ON t.id = u.id, 'ds_jobs'", true, true, "s"},
	{"SELECT * FROM ('ds_jobs')", true, true, "s"},
	{"SELECT 1 WHERE 1 IN 'ds_jobs'", true, true, "s"},
	{"INSERT OR IGNORE INTO 'ds_jobs' (id) VALUES (1)", false, true, "s"},
	{"UPDATE OR IGNORE 'ds_jobs' SET id = 1", false, true, "s"},
	{"SELECT * FROM \ufeffds_jobs", true, true, "s"},
	{"SELECT 'ds_a', upper('ds_b') FROM t WHERE 'ds_c' IN ('ds_d', 'ds_e') AND v = 'ds_f' ORDER BY 'ds_g'", true, false, "s"},
	{"DELETE FROM main.ds_jobs", false, true, "s"},
	{"DELETE FROM main.\"ds_jobs\"", false, true, "s"},
	{"DELETE FROM x.ds_jobs", false, true, ""},
	{"DELETE FROM x . ds_jobs", false, true, ""},
	{"DELETE FROM `x`.`ds_jobs`", false, true, ""},
	{"DELETE t FROM t JOIN ds_jobs ON 1", false, true, "m"},
	{"INSERT INTO t SELECT id, 1 FROM ds_jobs", false, true, ""},
	{"UPDATE t, ds_jobs SET v = 1", false, true, "m"},
	{"SELECT * FROM ds_vars", true, true, ""},
	{"SELECT (SELECT COUNT(*) FROM ds_jobs)", true, true, ""},
	{"SELECT * FROM t WHERE id IN(SELECT id FROM/**/ds_jobs)", true, true, ""},
	{"EXPLAIN SELECT * FROM ds_jobs", true, true, ""},
	{"SELECT 'ds_jobs'", true, false, ""},
	{"SELECT 1 AS ds", true, false, ""},
	{"SELECT id AS myds_jobs FROM t", true, false, ""},
	// Reading.
	{"SELECT * FROM t", true, false, ""},
	{"(SELECT 1)", true, false, "m"},
	{"(SELECT 1) UNION (SELECT 2)", true, false, "m"},
	{"VALUES (1)", true, false, "s"},
	{"EXPLAIN SELECT * FROM t", true, false, ""},
	{"SHOW TABLES LIKE 'x'", true, false, "m"},
	{"DESCRIBE t", true, false, "m"},
	{"WITH x AS (SELECT 1 AS n) SELECT * FROM x", true, false, ""},
	{"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT n FROM x", true, false, ""},
	{"WITH a AS (SELECT 1 AS n), b AS (SELECT n FROM a) SELECT n FROM b", true, false, ""},
	{"WITH x AS (SELECT 1) DELETE FROM t", true, true, ""},
	{"WITH x AS (SELECT 1) UPDATE t SET v = 1", true, true, ""},
	{"WITH x AS (SELECT 1) INSERT INTO t SELECT 9, 9", true, true, ""},
	{"WITH x AS (SELECT 1 AS n) SELECT * FROM x UNION SELECT 2", true, false, ""},
	{"WITH \"select\" AS (SELECT 1) DELETE FROM t", true, true, "s"},
	{"WITH `select` AS (SELECT 1) DELETE FROM t", true, true, ""},
	{"INSERT INTO t VALUES (8, 8)", true, true, ""},
	{"INSERT INTO t VALUES (8, 8) RETURNING id", true, true, ""},
	{"DELETE FROM t", true, true, ""},
	{"UPDATE t SET v = 1", true, true, ""},
	{"CALL p()", true, true, ""},
	{"EXPLAIN DELETE FROM t", true, false, "m"},
}

var guardCases = []testCase{
	{"scripts may read and write, and not more", func(w *world) {
		w.table(1)
		h := w.hook(w.store)
		kind := "m"
		if !w.in.Rows {
			kind = "s"
		}
		for _, g := range guarded {
			if g.on != "" && g.on != kind && g.on != "-" {
				continue
			}
			var err error
			if g.query {
				var rows engine.Rows
				if rows, err = h.Query(w.ctx, g.sql, nil); err == nil {
					w.drain(rows)
				}
			} else {
				err = exec(h, w.ctx, g.sql)
			}
			refused := err != nil && engine.AsFailure(err).Code == "db.refused"
			switch {
			case refused != g.refused:
				w.Errorf("%q (query %v): want refused %v, got %v", g.sql, g.query, g.refused, err)
			case err != nil && !refused && g.on != "-":
				w.Errorf("%q: %v", g.sql, err)
			}
		}
		w.same("rows as others see them", []string{"1|10"}, w.inTable())
	}},
	{"a misspelt verb is told", func(w *world) {
		h := w.hook(w.store)
		for sql, want := range map[string]string{
			"selct 1":             "no statement begins with SELCT (did you mean SELECT?)",
			"WTH x AS (SELECT 1)": "no statement begins with WTH (did you mean WITH?)",
			"UPDATE t SET v = 1":  "db.query, db.one and db.value run reading statements (SELECT, SHOW, EXPLAIN), not UPDATE: use db.exec",
		} {
			_, err := h.Query(w.ctx, sql, nil)
			w.same(sql, want, fmt.Sprint(err))
		}
		for sql, want := range map[string]string{
			"INSRT INTO t VALUES (1)": "no statement begins with INSRT (did you mean INSERT?)",
			"updaet t SET v = 1":      "no statement begins with UPDAET (did you mean UPDATE?)",
			"FROBNICATE t":            "db.exec runs INSERT, UPDATE, DELETE, REPLACE and CALL, not FROBNICATE",
			"SHOW TABLES":             "db.exec runs writing statements, and SHOW reads: use db.query, db.one or db.value",
			"SELECT 1":                "db.exec runs writing statements, and SELECT reads: use db.query, db.one or db.value",
		} {
			w.same(sql, want, fmt.Sprint(exec(h, w.ctx, sql)))
		}
	}},
	{"a statement is given one value for each question mark", func(w *world) {
		w.table(1)
		h := w.hook(w.store)
		for _, c := range []struct {
			sql  string
			args []any
			want string
		}{
			{"SELECT 1", []any{int64(3)}, "the statement has 0 ? and was given 1 value: give one value for each ?"},
			{"SELECT ?, '?'", nil, "the statement has 1 ? and was given 0 values: give one value for each ?"},
			{"SELECT ? + ?", []any{int64(3)}, "the statement has 2 ? and was given 1 value: give one value for each ?"},
			{"SELECT ? -- ?", []any{int64(3), "x"}, "the statement has 1 ? and was given 2 values: give one value for each ?"},
		} {
			_, err := h.Query(w.ctx, c.sql, c.args)
			w.failure(c.sql, "usage", err)
			w.same(c.sql, c.want, fmt.Sprint(err))
		}
		_, err := h.Exec(w.ctx, "UPDATE t SET v = ? WHERE id = ?", []any{int64(3)})
		w.failure("exec", "usage", err)
		w.same("exec", "the statement has 2 ? and was given 1 value: give one value for each ?", fmt.Sprint(err))
		w.same("it goes on", [][]any{{"?", int64(10)}}, w.query(h, "SELECT '?', v FROM t WHERE id = ?", int64(1)))
	}},
	{"the engine's tables are refused by name too", func(w *world) {
		h := w.hook(w.store)
		for _, name := range []string{"ds_jobs", "DS_jobs", "x.ds_jobs", "ds_made_up"} {
			_, err := h.Insert(w.ctx, name, pairs(1, 1))
			w.failure("insert", "db.refused", err)
			_, err = h.Upsert(w.ctx, name, pairs(1, 1), engine.Upsert{Key: []string{"id"}})
			w.failure("upsert", "db.refused", err)
			_, err = h.Ensure(w.ctx, name, []engine.Column{{Name: "id", Type: "integer"}}, nil)
			w.failure("ensure", "db.refused", err)
			_, err = h.Columns(w.ctx, name)
			w.failure("columns", "db.refused", err)
		}
	}},
}
