package storetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAllStoresHaveTheSameVersionsOfTheTables(t *testing.T) {
	t.Parallel()
	versions := map[string][]string{}
	for _, store := range []string{"mysqlstore", "sqlitestore"} {
		files, err := filepath.Glob(filepath.Join("..", store, "migrations", "*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no versions of the tables (%v)", store, err)
		}
		last := ""
		for _, f := range files {
			name := filepath.Base(f)
			number, _, ok := strings.Cut(name, "_")
			if !ok || len(number) != 5 {
				t.Errorf("%s: %s is not called like 00001_name.sql", store, name)
			}
			if number == last {
				t.Errorf("%s has two versions with the number %s", store, number)
			}
			last = number
			versions[store] = append(versions[store], name)
		}
	}
	if d := cmp.Diff(versions["mysqlstore"], versions["sqlitestore"]); d != "" {
		t.Errorf("versions (-mysqlstore +sqlitestore):\n%s", d)
	}
}
