package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/testdata/peers/internal/dburl"
)

// place is where jobs are kept: it lends empty databases.
type place struct {
	name    string // the database's product and version
	foreign bool   // a server that was not started here
	create  func(ctx context.Context) (url string, drop func(), err error)
}

// use lends a database that exists only meanwhile.
func (p *place) use(ctx context.Context, do func(url string) error) error {
	url, drop, err := p.create(ctx)
	if err != nil {
		return err
	}
	defer drop()
	return do(url)
}

// serverPlace is a MySQL or MariaDB server.
func serverPlace(ctx context.Context, url string) (*place, error) {
	c, err := dburl.Config(url)
	if err != nil {
		return nil, err
	}
	c.DBName = ""
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(0) // nothing of this program disturbs what is measured
	var version string
	var durable int
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@innodb_flush_log_at_trx_commit").Scan(&version, &durable); err != nil {
		return nil, fmt.Errorf("ask the database's version: %w", err)
	}
	if durable != 1 {
		return nil, fmt.Errorf("innodb_flush_log_at_trx_commit is %d, not 1", durable)
	}
	number, rest, _ := strings.Cut(version, "-")
	product := "MySQL"
	if strings.Contains(rest, "MariaDB") {
		product = "MariaDB"
	}
	name := fmt.Sprintf("dsengine_bench_%d", os.Getpid())
	return &place{
		name: product + " " + number,
		create: func(ctx context.Context) (string, func(), error) {
			if _, err := db.ExecContext(ctx, "CREATE DATABASE `"+name+"`"); err != nil {
				return "", nil, err
			}
			drop := func() { db.Exec("DROP DATABASE `" + name + "`") }
			with, err := dburl.With(url, name)
			if err != nil {
				drop()
				return "", nil, err
			}
			return with, drop, nil
		},
	}, nil
}

// sqlitePlace keeps a database in a folder.
func sqlitePlace(dir string) *place {
	return &place{
		name: "SQLite",
		create: func(context.Context) (string, func(), error) {
			sub, err := os.MkdirTemp(dir, "sqlite-")
			if err != nil {
				return "", nil, err
			}
			return "sqlite:" + filepath.Join(sub, "bench.db"), func() { os.RemoveAll(sub) }, nil
		},
	}
}
