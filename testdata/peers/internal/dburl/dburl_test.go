package dburl

import "testing"

func TestConfigReadsAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"mysql://root@127.0.0.1:3307/a":            "root@tcp(127.0.0.1:3307)/a",
		"mysql://u:p%40ss@db.example/a":            "u:p@ss@tcp(db.example:3306)/a",
		"mysql://u@/a?socket=/run/mysqld/m.sock":   "u@unix(/run/mysqld/m.sock)/a",
		"mysql://root@[::1]:3306/":                 "root@tcp([::1]:3306)/",
		"mysql://root@127.0.0.1:3307/a?socket=":    "root@tcp(127.0.0.1:3307)/a",
		"mysql://root@localhost:3307/with_under_1": "root@tcp(localhost:3307)/with_under_1",
	} {
		c, err := Config(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if got := c.FormatDSN(); got != want+"?clientFoundRows=true&interpolateParams=true" {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	if _, err := Config("postgres://u@h/a"); err == nil {
		t.Error("postgres: got no error")
	}
}

func TestWithReplacesTheDatabase(t *testing.T) {
	t.Parallel()
	got, err := With("mysql://u:p@h:1/a?socket=/s", "b")
	if want := "mysql://u:p@h:1/b?socket=/s"; err != nil || got != want {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
}
