package starscript_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// TestEachErrorIsReportedOnItsLine runs the scripts of the case files, each as
// a job type of its own, and compares how their jobs ended.
func TestEachErrorIsReportedOnItsLine(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.File("data/people.csv", "id,name\n1,Ada\n2,Grace\n")
		w.File("data/ragged.csv", "id,name\n1,Ada\n2\n")
		w.File("data/quotes.csv", "id,name\n1,\"Ada\n")
		w.File("data/latin.csv", "id,name\n1,J\xfcrgen\n")
		w.File("data/double.csv", "id,id\n1,2\n")
		w.File("data/bad.json", "{\"items\": [1, 2,]}")
		w.File("data/good.json", "{\"items\": [1, 2], \"more\": {\"deep\": [{\"n\": 3}]}}")
		w.File("data/bad.jsonl", "{\"n\": 1}\n\n{\"n\": }\n")
		w.File("secret/keys.txt", "x")
		type running struct {
			chunk
			id engine.JobID
		}
		var all []running
		for i, c := range chunks(t, "testdata/run/*.star") {
			name := fmt.Sprintf("c%d", i)
			w.Script(name, c.source)
			all = append(all, running{c, w.Enqueue(engine.NewJob{Type: name, Payload: engine.Raw(`{"n": 1}`)})})
		}
		w.Run()
		place := regexp.MustCompile(`\.star:(\d+):\d+: in `)
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				j := w.Job(c.id)
				got, message := 0, ""
				if j.Error != nil {
					message = j.Error.Message
					if all := place.FindAllStringSubmatch(j.Error.Backtrace, -1); len(all) > 0 {
						got, _ = strconv.Atoi(all[len(all)-1][1])
					}
				}
				for line, want := range c.want {
					if got != line || !strings.Contains(message, want) {
						t.Errorf("%s:%d: got line %d, %q, want an error with %q\n%+v", c.file, line, got, message, want, j.Error)
					}
				}
				if len(c.want) == 0 && j.Status != engine.StatusCompleted {
					t.Errorf("%s:%d: the job is %s: %s\n%+v", c.file, c.first, j.Status, message, j.Error)
				}
			})
		}
	})
}
