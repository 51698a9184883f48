package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const fillBatch = 1000

// fill makes the tables anew and n waiting jobs of one type, with what
// dsengine would store for them.
func fill(ctx context.Context, db *sql.DB, migrations string, n int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := makeTables(ctx, conn, migrations); err != nil {
		return err
	}
	const typ, phase = 1, 2
	for done := 0; done < n; {
		size := min(fillBatch, n-done)
		if err := fillOne(ctx, conn, typ, phase, size, done); err != nil {
			return err
		}
		done += size
	}
	return nil
}

func makeTables(ctx context.Context, conn *sql.Conn, migrations string) error {
	files, err := filepath.Glob(filepath.Join(migrations, "*.sql"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no table definitions in %s", migrations)
	}
	var tables int
	if err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return errors.New("the database is not empty")
	}
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	collation := "utf8mb4_0900_bin"
	if strings.Contains(version, "MariaDB") {
		collation = "utf8mb4_nopad_bin"
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		up, _, _ := strings.Cut(string(b), "-- +goose Down")
		up = strings.ReplaceAll(up, "{collation}", collation)
		for statement := range strings.SplitSeq(up, ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", filepath.Base(file), err)
			}
		}
	}
	return nil
}

// fillOne makes one batch of jobs in a transaction.
func fillOne(ctx context.Context, conn *sql.Conn, typ, phase uint32, size, from int) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	jobs := "INSERT INTO ds_jobs (type, phase, status, priority, created_at) VALUES " +
		rows(size, func(int) string { return fmt.Sprintf("(%d,%d,1,0,UTC_TIMESTAMP(6))", typ, phase) })
	r, err := tx.ExecContext(ctx, jobs)
	if err != nil {
		return err
	}
	first, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for _, q := range []string{
		"INSERT INTO ds_payloads (id, payload) VALUES " + rows(size, func(i int) string { return fmt.Sprintf(`(%d,'{"n":%d}')`, first+int64(i), from+i) }),
		"INSERT INTO ds_ready (queue, priority, id, epoch) VALUES " + rows(size, func(i int) string { return fmt.Sprintf("(%d,0,%d,0)", typ<<2|(phase-1), first+int64(i)) }),
		fmt.Sprintf("INSERT INTO ds_deltas (parent, type, at, created) VALUES (0,%d,UTC_TIMESTAMP(6),%d)", typ, size),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func rows(n int, row func(int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(row(i))
	}
	return b.String()
}
