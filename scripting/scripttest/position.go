package scripttest

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

const loopsDoc = `how many elements each loop of ctx.batches and ctx.emit_all has taken before, in their order, such as [2]: the hook leaves them out. ` +
	`Of one that was over a dict: {"taken": 4, "over": "ended"} if there were no more, "left" if the script left it by break, "last" if it did not ask for more after the last batch`

// positionOf is where a hook goes on, by the arguments position and loops; nil: it
// begins.
func positionOf(a *hostlib.Args) (engine.Raw, error) {
	var value engine.Raw
	if a.Given("position") {
		var err error
		if value, err = hostlib.KeepJSON(a.Value("position")); err != nil {
			return nil, err
		}
	}
	if !a.Given("loops") {
		return engine.PositionAt(value, nil), nil
	}
	list, ok := a.Value("loops").([]hostlib.Value)
	if d, is := a.Value("loops").(*hostlib.Dict); is && len(d.Names) == 0 { // as Lua writes an empty list
		list, ok = nil, true
	}
	if !ok {
		return nil, hostlib.Errorf("usage", "loops: wanted a list, such as [2]")
	}
	var loops []engine.LoopAt
	for i, v := range list {
		l, err := loopOf(v)
		if err != nil {
			return nil, hostlib.Errorf("usage", "loops[%d]: %v", i, err)
		}
		loops = append(loops, l)
	}
	return engine.PositionAt(value, loops), nil
}

// countedOf is what a job has counted before.
func countedOf(v hostlib.Value) (engine.Stats, error) {
	if v == nil {
		return nil, nil
	}
	d, ok := v.(*hostlib.Dict)
	if !ok {
		return nil, hostlib.Errorf("usage", "counted: wanted a dict, such as {\"rejected\": 2}")
	}
	stats := engine.Stats{}
	for i, name := range d.Names {
		if stats[name], ok = d.Values[i].(int64); !ok || stats[name] < 0 {
			return nil, hostlib.Errorf("usage", "counted: %s: got %s, wanted a whole number", name, literal(d.Values[i], 0))
		}
	}
	return stats, nil
}

// overs are the ways in which a loop is over.
var overs = []string{string(engine.LoopEnded), string(engine.LoopLeft), string(engine.LoopLast)}

// loopOf reads how far a loop has come.
func loopOf(v hostlib.Value) (l engine.LoopAt, err error) {
	d, ok := v.(*hostlib.Dict)
	if !ok {
		d = &hostlib.Dict{Names: []string{"taken"}, Values: []hostlib.Value{v}}
	}
	l.Taken = -1
	for i, name := range d.Names {
		switch v := d.Values[i]; name {
		case "taken":
			if l.Taken, ok = v.(int64); !ok || l.Taken < 0 {
				return l, fmt.Errorf("got %s, wanted how many elements were taken", literal(v, 0))
			}
		case "over":
			over, _ := v.(string)
			for _, o := range overs {
				if o == over {
					l.Over = engine.LoopOver(o)
				}
			}
			if l.Over == "" {
				return l, fmt.Errorf("over: got %s, wanted one of %s", literal(v, 0), strings.Join(overs, ", "))
			}
		default:
			return l, fmt.Errorf("there is no %q: taken, over", name)
		}
	}
	if l.Taken < 0 {
		if l.Over != engine.LoopEnded {
			return l, fmt.Errorf("taken is missing: how many elements were taken")
		}
		l.Taken = engine.AllTaken
	}
	return l, nil
}
