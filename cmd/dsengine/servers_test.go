package main

import (
	"bytes"
	"testing"
)

func TestServersOfOneNameAreTold(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	tellNamesakes(&Env{Stderr: &b}, []serverInfo{
		{Server: "single", State: "alive"}, {Server: "again", State: "alive"}, {Server: "again", State: "lost"},
		{Server: "twin", State: "alive"}, {Server: "twin", State: "stopped"}, {Server: "twin", State: "alive"},
	})
	const want = "2 processes run under the name twin: no job is done twice, but lists and logs do not tell them apart; give each a name of its own with --name\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
