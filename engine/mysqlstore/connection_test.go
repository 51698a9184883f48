package mysqlstore

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

func TestAConnectionKnowsTheDatabaseThatItReaches(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		private := privateServer(t)
		name, _, _ := s.database(t)
		other, _, _ := s.database(t)
		if _, err := private.admin.Exec("CREATE DATABASE IF NOT EXISTS " + name); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{false, true} {
			c, err := Connect(t.Context(), s.urlOf(name), readOnly, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for url, want := range map[string]bool{
				s.urlOf(name): true,
				strings.Replace(s.urlOf(name), "127.0.0.1", "localhost", 1): true,
				private.urlOf(name):                s == private,
				s.urlOf(other):                     false,
				s.urlOf(strings.ToUpper(name)):     false,
				"mysql://root@127.0.0.1:1/" + name: false,
				"sqlite:" + name:                   false,
			} {
				if got := c.Reaches(t.Context(), url); got != want {
					t.Errorf("read only %v: it reaches %s: %v", readOnly, url, got)
				}
			}
		}
	})
}

func TestAServerThatLetsNobodyInIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, db, _ := s.database(t)
		if _, err := db.Exec("CREATE USER IF NOT EXISTS 'locked'@'%' IDENTIFIED BY 'right'"); err != nil {
			t.Fatal(err)
		}
		url := s.urlOf(name)
		at := url[strings.LastIndex(url, "@"):]
		for _, c := range []struct {
			url, says string
			want      engine.Code
		}{
			{"mysql://locked:wrong" + at, "1045", engine.CodeConnection},
			{"mysql://locked:right" + at, "1044", engine.CodeConnection},
			{s.urlOf(name + "_gone"), "1049", engine.CodeConnection},
			{"mysql://root@127.0.0.1:1/" + name, "refused", engine.CodeUnreachable},
		} {
			_, err := Connect(t.Context(), c.url, false, Options{})
			if engine.CodeOf(err) != c.want || !strings.Contains(fmt.Sprint(err), c.says) || strings.Contains(fmt.Sprint(err), "wrong") {
				t.Errorf("want %s and %s, got %s: %v", c.want, c.says, engine.CodeOf(err), err)
			}
		}
	})
}

func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Connect(context.Background(), "mysql://root@"+l.Addr().String()+"/crm", false, Options{Lease: 10 * time.Millisecond})
	if engine.CodeOf(err) != engine.CodeUnreachable || !strings.Contains(engine.HintOf(err), "it takes the connection, and then does not answer") {
		t.Errorf("got %v (%s)", err, engine.HintOf(err))
	}
}
