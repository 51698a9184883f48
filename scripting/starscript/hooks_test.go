package starscript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestTheExamplesOfHooksAreScripts(t *testing.T) {
	t.Parallel()
	for _, h := range hostlib.Hooks {
		typ, errs := load(h.Example, nil)
		if len(errs) > 0 {
			t.Errorf("%s: %v", h.Name, errs)
			continue
		}
		found := h.Name == hostlib.RedriveHook && typ.Redrive != nil
		for _, p := range engine.Phases {
			found = found || p.String() == h.Name && typ.Hooks[p] != nil
		}
		if !found || !strings.Contains(h.Example, "def "+h.Signature()+":") || !strings.Contains(h.Lua, "function "+h.Signature()+"\n") {
			t.Errorf("%s: its examples do not define %s", h.Name, h.Signature())
		}
	}
	for _, p := range engine.Phases {
		if hostlib.HookNamed(p.String()) == nil {
			t.Errorf("there is no hook for the phase %s", p)
		}
	}
}

func TestAnItemThatIsNoneIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(retry = retry(max = 1))
def consume(ctx, thing):
    return thing["path"]
def fail(ctx, item, err):
    log.info(err.message)
    item.path
`)
	id := w.Enqueue(engine.NewJob{Type: "job"})
	w.Run()
	const why = "the job has no payload; give it one by: dsengine enqueue job --payload '{...}', or in produce, by what it emits or returns"
	same(t, "end", "fail failed  error: thing is None, which has no elements: "+why, end(w.Job(id)))
	if logs := strings.Join(w.Logs(id), "\n"); !strings.Contains(logs, "the fail hook failed: item is None, which has no .path: "+why) {
		t.Errorf("the fail hook: %s", logs)
	}
}
