package scripttest

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
)

// Use has the tests run on a server, MySQL or MariaDB, in databases that are made
// for them and dropped afterwards. What else is there is not touched, the database
// that the URL names neither. Close the suite when it is no longer needed.
func (s *Suite) Use(ctx context.Context, url string) error {
	if scheme, _, _ := strings.Cut(url, ":"); scheme != "mysql" {
		return engine.Errorf(engine.CodeUsage, "tests run on a server with a URL like mysql://user:password@host:3306/").
			WithHint("without a URL they run on an embedded database of their own")
	}
	server, err := mysqlstore.OpenScratchServer(ctx, url)
	if err != nil {
		return err
	}
	if err = server.Sweep(ctx); err == nil {
		err = server.Try(ctx) // what is refused is told once, not by each test
	}
	if err != nil {
		return errors.Join(err, server.Close())
	}
	s.site, s.shut = onServer{server}, server.Close
	return nil
}

// Close lets go of the server. Its error tells what could not be dropped.
func (s *Suite) Close() error {
	err := errors.Join(s.leftovers...)
	if s.shut != nil {
		err = errors.Join(err, s.shut())
	}
	s.shut, s.leftovers = nil, nil
	return err
}

// onServer has the databases on a server.
type onServer struct{ server *mysqlstore.ScratchServer }

func (s onServer) open(ctx context.Context, g *ground) (database, error) {
	x, err := s.server.Open(ctx, mysqlstore.Options{Clock: g.clock, Logger: slog.New(g.log)})
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (onServer) connect(ctx context.Context, g *ground, name string, readOnly bool) (connection, error) {
	if _, err := g.open(ctx); err != nil {
		return nil, err
	}
	c, err := g.db.(*mysqlstore.Scratch).Connect(ctx, name, readOnly, mysqlstore.Options{Clock: g.clock, Logger: slog.New(g.log)})
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, noConnection(name)
	}
	return c, nil
}

func (onServer) forget(ctx context.Context, g *ground) error {
	if g.db == nil {
		return nil
	}
	return g.db.(*mysqlstore.Scratch).Forget(ctx)
}

func (onServer) drop(ctx context.Context, db database) error {
	return db.(*mysqlstore.Scratch).Drop(ctx)
}
