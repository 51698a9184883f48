package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// taken are the functions with an effect outside whose effect a dry run takes
// where it happens: files go to the overlay, requests and mail to whom they are
// handed to.
var taken = []string{
	"csv.write", "json.write_lines", "parquet.write", "xlsx.write", "files.write", "files.move", "files.remove", "files.temp", "response.save",
	"server.get", "s3.get", "http.post", "http.put", "http.patch", "http.delete", "client.post", "client.put", "client.patch",
	"client.delete", "notify.webhook", "notify.email", "notify.slack",
}

func TestADryRunTakesEachEffect(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range taken {
		known[name] = true
	}
	look := func(f *hostlib.Func) {
		if f.Effect != hostlib.Outside {
			return
		}
		if known[f.String()] == (f.Dry != nil) {
			t.Errorf("%s has an effect outside: it needs a Dry, unless its effect is taken where it happens (then add it to taken)", f)
		}
		delete(known, f.String())
	}
	for _, m := range hostlib.Modules {
		for _, f := range m.Funcs {
			look(f)
		}
	}
	for _, o := range hostlib.Types {
		for _, f := range o.Methods {
			look(f)
		}
	}
	for name := range known {
		t.Errorf("there is no %s with an effect outside", name)
	}
}

func TestADryRunChangesNothingOnServersOfFiles(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		w.File("data/people.csv", "id\n1\n")
		var noted []string
		w.Host.Dry = &hostlib.Dry{Files: hostlib.NewOverlay(t.TempDir()), Note: func(e hostlib.Effected) {
			noted = append(noted, fmt.Sprint(e.Function, " ", strings.TrimSuffix(e.What, " on 127.0.0.1")))
		}}
		w.Script("j", fmt.Sprintf(`
job(needs = ["%[1]s:127.0.0.1", "files:**"])
def consume(ctx, item):
    s = %[1]s.connect(%[2]q, %[3]s)
    f = s.put("in/", "data/people.csv")
    return [f.path, f.size, s.exists("in/people.csv"), s.remove("none.csv")]
`, r.kind, r.url, r.args))
		before := tree(t, r.dir)
		j := w.Do("j", "1")
		if j.Error != nil {
			t.Fatal(j.Error.Message)
		}
		if got := string(j.Result); got != `["in/people.csv",5,false,false]` {
			t.Errorf("got %s", got)
		}
		if after := tree(t, r.dir); after != before {
			t.Errorf("the server has\n%s\nnot\n%s", after, before)
		}
		if len(noted) != 1 || !strings.HasPrefix(noted[0], r.kind+".put in/people.csv on 127.0.0.1, 5 bytes") {
			t.Errorf("noted: %q", noted)
		}
	})
}
