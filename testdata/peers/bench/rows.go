package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/testdata/peers/internal/dburl"
)

// The parts load and upsert: rows of a file into a table, by a job script that
// cleans each up, and by the shortest way there is. Whole processes are timed.

// The engines' names in these parts.
const (
	bareLoad   = "LOAD DATA LOCAL INFILE"
	bareUpsert = "INSERT ... ON DUPLICATE KEY UPDATE from Go"
)

const makePeople = "CREATE TABLE people (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40), city VARCHAR(40), amount DECIMAL(10,2), day DATE, note VARCHAR(80)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"

// importScript cleans up each row, and writes it.
const importScript = `job(needs = ["files:rows.csv"])

def clean(r):
    return {
        "id": int(r["id"]),
        "name": r["name"].strip(),
        "city": r["city"].title(),
        "amount": r["amount"],
        "day": r["day"],
        "note": r["note"] or None,
    }

def produce(ctx):
    %s
`

var importScripts = map[string]string{
	"load":   `db.bulk("people", iter.map(clean, csv.read("rows.csv")))`,
	"upsert": `db.upsert("people", iter.map(clean, csv.read("rows.csv")), key = ["id"])`,
}

// writeImports makes the scripts and the file of rows.
func (b *bench) writeImports() error {
	if !b.has("load") && !b.has("upsert") {
		return nil
	}
	for name, call := range importScripts {
		if err := os.WriteFile(filepath.Join(b.jobs(), name+".star"), fmt.Appendf(nil, importScript, call), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(b.rowsFile())
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "id,name,city,amount,day,note")
	for i := range b.rows {
		note := ""
		if i%5 != 0 {
			note = fmt.Sprintf("a note about row %d", i)
		}
		fmt.Fprintf(w, "%d,  Person %d ,city %d,%d.%02d,2024-%02d-%02d,%s\n", i+1, i*7919%1_000_003, i%997, i%100_000, i%100, i%12+1, i%28+1, note)
	}
	return errors.Join(w.Flush(), f.Close())
}

func (b *bench) rowsFile() string { return filepath.Join(b.temp, "rows.csv") }

// imports measures the parts load and upsert, one way first in even rounds, the
// other in odd ones.
func (b *bench) imports(ctx context.Context, p *place, round int) error {
	var do []func() error
	if b.has("load") {
		do = append(do, func() error { return b.load(ctx, p, true) }, func() error { return b.load(ctx, p, false) })
	}
	if round%2 == 1 && len(do) == 2 {
		do[0], do[1] = do[1], do[0]
	}
	if b.has("upsert") {
		do = append(do, func() error { return b.upsert(ctx, p, round) })
	}
	for _, f := range do {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// load fills an empty table.
func (b *bench) load(ctx context.Context, p *place, script bool) error {
	return p.use(ctx, func(url string) error {
		db, err := openRows(url)
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, makePeople); err != nil {
			return err
		}
		others := busy()
		if script {
			return b.importBy(ctx, p, url, "load", others)
		}
		began := time.Now()
		mysql.RegisterLocalFile(b.rowsFile())
		_, err = db.ExecContext(ctx, "LOAD DATA LOCAL INFILE '"+b.rowsFile()+"' INTO TABLE people CHARACTER SET utf8mb4"+
			` FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' LINES TERMINATED BY '\n' IGNORE 1 LINES (id, name, city, amount, day, note)`)
		if err != nil {
			return err
		}
		return b.addRows(ctx, p, db, bareLoad, time.Since(began), others, nil)
	})
}

// upsert writes rows that are all there already: once so that each is as it
// would become.
func (b *bench) upsert(ctx context.Context, p *place, round int) error {
	return p.use(ctx, func(url string) error {
		db, err := openRows(url)
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, makePeople); err != nil {
			return err
		}
		if err := b.upsertFromGo(ctx, db); err != nil {
			return err
		}
		do := []func() error{
			func() error { return b.importBy(ctx, p, url, "upsert", busy()) },
			func() error {
				others, began := busy(), time.Now()
				if err := b.upsertFromGo(ctx, db); err != nil {
					return err
				}
				return b.addRows(ctx, p, db, bareUpsert, time.Since(began), others, nil)
			},
		}
		if round%2 == 1 {
			do[0], do[1] = do[1], do[0]
		}
		return errors.Join(do[0](), do[1]())
	})
}

// openRows opens a database as the bare ways use it.
func openRows(url string) (*sql.DB, error) {
	c, err := dburl.Config(url)
	if err != nil {
		return nil, err
	}
	c.InterpolateParams = true
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// upsertFromGo reads the file, cleans each row up, and upserts them in one
// transaction, a thousand to a statement.
func (b *bench) upsertFromGo(ctx context.Context, db *sql.DB) error {
	f, err := os.Open(b.rowsFile())
	if err != nil {
		return err
	}
	defer f.Close()
	r := csv.NewReader(bufio.NewReaderSize(f, 1<<16))
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	const tuple, columns = "(?,?,?,?,?,?),", 6
	args := make([]any, 0, 1000*columns)
	send := func() error {
		if len(args) == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO people (id, name, city, amount, day, note) VALUES "+strings.TrimSuffix(strings.Repeat(tuple, len(args)/columns), ",")+
			" ON DUPLICATE KEY UPDATE name = VALUES(name), city = VALUES(city), amount = VALUES(amount), day = VALUES(day), note = VALUES(note)", args...)
		args = args[:0]
		return err
	}
	for {
		v, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		var note any
		if v[5] != "" {
			note = v[5]
		}
		args = append(args, v[0], strings.TrimSpace(v[1]), strings.ToUpper(v[2][:1])+v[2][1:], v[3], v[4], note)
		if len(args) == cap(args) {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := send(); err != nil {
		return err
	}
	return tx.Commit()
}

// importBy runs a script once; the whole process is timed.
func (b *bench) importBy(ctx context.Context, p *place, url, script string, others float64) error {
	if _, _, err := b.dsengine(ctx, url, "migrate"); err != nil {
		return err
	}
	began := time.Now()
	_, state, err := b.dsengine(ctx, url, "run", "--once", script)
	if err != nil {
		return err
	}
	took := time.Since(began)
	db, err := openRows(url)
	if err != nil {
		return err
	}
	defer db.Close()
	d := &dsengineDetail{RunSeconds: took.Seconds(), CPUSeconds: (state.UserTime() + state.SystemTime()).Seconds()}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		d.MaxRSSMiB = int64(usage.Maxrss) >> 10
	}
	return b.addRows(ctx, p, db, dsengine+", "+script, took, others, d)
}

// addRows notes how long it took to write the rows, which must be there.
func (b *bench) addRows(ctx context.Context, p *place, db *sql.DB, engine string, took time.Duration, others float64, d *dsengineDetail) error {
	var n int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM people").Scan(&n); err != nil {
		return err
	}
	if n != b.rows {
		return fmt.Errorf("%s: there are %d rows of %d", engine, n, b.rows)
	}
	b.report.add(engine, p.name, n, sample{JobsPerSecond: float64(n) / took.Seconds(), Seconds: took.Seconds(), Busy: others, Dsengine: d})
	return nil
}
