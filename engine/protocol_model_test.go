package engine

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modelPromise is what the protocol promises, in every state that can be
// reached.
type modelPromise string

const (
	promiseEffect modelPromise = "what a job does is committed once, and with its completion"
	promisePart   modelPromise = "what was committed with a checkpoint is not done again"
	promiseOwner  modelPromise = "a job has no two owners who could both commit"
	promisePlace  modelPromise = "a job is in exactly one place: ready, delayed, in a claim or final"
	promiseEpoch  modelPromise = "epochs only grow"
	promiseCharge modelPromise = "no attempt is charged for the loss of a claim of several jobs"
	promiseAlone  modelPromise = "a job that must be alone is claimed alone"
	promiseCancel modelPromise = "a job that was asked to cancel is not made due again"
	promiseEnd    modelPromise = "all jobs can still become final, and all claims go"
)

var modelPromises = []modelPromise{promiseEffect, promisePart, promiseOwner, promisePlace, promiseEpoch, promiseCharge, promiseAlone, promiseCancel, promiseEnd}

// check gives the promises that a state breaks.
func (m *model) check(s *modelState) (broken []modelPromise) {
	for j := range s.jobs {
		b := &s.jobs[j]
		owners, places := 0, 0
		for c := range s.claims {
			k := &s.claims[c]
			if k.stage[j] != stageNone && m.fence(s, c, j) {
				owners++
			}
			if k.row && k.listed[j] && m.fence(s, c, j) {
				places++
			}
		}
		for _, row := range []uint8{b.ready, b.delayed} {
			switch row {
			case 0:
			case b.epoch:
				places++
			default:
				places += 2 // nobody can work it, and it is claimed all the same
			}
		}
		if b.status.Final() {
			places++
		}
		completed := b.status == StatusCompleted
		for _, x := range []struct {
			promise modelPromise
			broken  bool
		}{
			{promiseEffect, completed != (b.effects == 1) || b.effects > 1},
			{promisePart, b.parts > 1 || completed && j == checkpointJob && b.parts != 1},
			{promiseOwner, owners > 1},
			{promisePlace, places != 1},
			{promiseCancel, b.asked && (b.ready != 0 || b.delayed != 0)},
		} {
			if x.broken {
				broken = append(broken, x.promise)
			}
		}
	}
	return broken
}

// modelRun is what an exploration found.
type modelRun struct {
	states, steps int
	moves         [StatusCancelled + 1][StatusCancelled + 1]bool // of jobs, from and to
	most          int                                            // claims at a time
	broken        modelPromise
	trace         []string // a shortest way to where it is broken
}

// search is an exploration under way. It goes breadth first, through all that
// costs nothing before what costs one more.
type search struct {
	m      *model
	watch  modelPromise // the only one that is looked at; "": all
	ids    map[modelState]int32
	states []modelState
	parent []int32
	cost   []int8
	fair   [][2]int32 // from, to
	queue  [][]int32  // by cost
	run    modelRun
}

// explore goes through all states that can be reached at a cost, and ends at
// the first one that breaks a promise.
func (m *model) explore(most int, watch modelPromise) modelRun {
	x := &search{m: m, watch: watch, ids: map[modelState]int32{}, queue: make([][]int32, most+1)}
	first := newModelState()
	first.canonical()
	x.find(first, -1, 0)
	for cost := 0; cost <= most; cost++ {
		for i := 0; i < len(x.queue[cost]) && x.run.broken == ""; i++ {
			if at := x.queue[cost][i]; int(x.cost[at]) == cost {
				x.expand(at, cost, most)
			}
		}
		x.queue[cost] = nil
	}
	x.run.states = len(x.states)
	if x.run.broken == "" && x.watched(promiseEnd) {
		if stuck := neverEnds(x.states, x.fair); stuck >= 0 {
			x.fail(promiseEnd, x.parent[stuck], x.states[stuck])
		}
	}
	return x.run
}

// expand takes all steps from a state.
func (x *search) expand(at int32, cost, most int) {
	s := x.states[at]
	x.m.emit = func(step modelStep, next *modelState) {
		n, c := *next, cost+step.cost
		if c > most {
			return
		}
		x.run.steps++
		for j := range n.jobs {
			if n.jobs[j].epoch < s.jobs[j].epoch {
				x.fail(promiseEpoch, at, n)
			}
			if from, to := s.jobs[j].stands(), n.jobs[j].stands(); from != to {
				x.run.moves[from][to] = true
			}
		}
		n.canonical()
		id := x.find(n, at, c)
		if step.broken != "" {
			x.fail(step.broken, at, n)
		}
		if step.fair && id != at {
			x.fair = append(x.fair, [2]int32{at, id})
		}
	}
	x.m.steps(&s)
}

// find gives the number of a state, and queues it if it is new, or cheaper than
// it was.
func (x *search) find(n modelState, from int32, cost int) int32 {
	id, ok := x.ids[n]
	switch {
	case !ok:
		id = int32(len(x.states))
		x.ids[n] = id
		x.states, x.parent, x.cost = append(x.states, n), append(x.parent, from), append(x.cost, int8(cost))
		for _, p := range x.m.check(&n) {
			x.fail(p, from, n)
		}
		used := 0
		for c := range n.claims {
			if n.claims[c] != (modelClaim{}) {
				used++
			}
		}
		x.run.most = max(x.run.most, used)
	case int(x.cost[id]) > cost:
		x.parent[id], x.cost[id] = from, int8(cost)
	default:
		return id
	}
	x.queue[cost] = append(x.queue[cost], id)
	return id
}

func (x *search) watched(p modelPromise) bool { return x.watch == "" || x.watch == p }

// fail notes the first promise that is broken, and the way there.
func (x *search) fail(p modelPromise, from int32, n modelState) {
	if x.run.broken == "" && x.watched(p) {
		n.canonical()
		x.run.broken, x.run.trace = p, x.trace(from, n)
	}
}

// neverEnds is the first state from which no fair steps lead to the end, or -1.
func neverEnds(states []modelState, fair [][2]int32) int32 {
	good := make([]bool, len(states))
	for i := range states {
		good[i] = states[i].ended()
	}
	for more := true; more; {
		more = false
		for i := len(fair) - 1; i >= 0; i-- {
			if from, to := fair[i][0], fair[i][1]; good[to] && !good[from] {
				good[from], more = true, true
			}
		}
	}
	return int32(slices.Index(good, false))
}

// trace tells how a state is reached, after the one at. The way is walked
// again, because canonical states have lost the servers' names.
func (x *search) trace(at int32, last modelState) (told []string) {
	way := []modelState{last}
	for ; at > 0; at = x.parent[at] {
		way = append(way, x.states[at])
	}
	slices.Reverse(way)
	emit := x.m.emit
	defer func() { x.m.emit = emit }()
	s := newModelState()
	for _, want := range way {
		var next *modelState
		x.m.emit = func(step modelStep, n *modelState) {
			c := *n
			if c.canonical(); next == nil && c == want {
				next = new(modelState)
				*next = *n
				told = append(told, fmt.Sprintf("%2d. %s", len(told)+1, step))
			}
		}
		x.m.steps(&s)
		if next == nil {
			return told // the first state
		}
		s = *next
		s.tidy()
	}
	return told
}

// modelCost is how many things go wrong, or are wanted by somebody, in every
// way in which they can: crashes, lost answers, false deaths, stopped hooks,
// snoozes, drains, cancels, operators' retries. Whatever else happens is not
// bounded, but that a job has two attempts and that four claims exist at a time.
const modelCost = 2

func TestModelKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	most := modelCost
	if testing.Short() {
		most = 1
	}
	if v := os.Getenv("DSENGINE_MODEL"); v != "" {
		var err error
		if most, err = strconv.Atoi(v); err != nil {
			t.Fatalf("DSENGINE_MODEL must be a number: %v", err)
		}
	}
	m := &model{}
	r := m.explore(most, "")
	t.Logf("%d states, %d steps, at most %d claims at a time, up to %d things that go wrong", r.states, r.steps, r.most, most)
	if r.broken != "" {
		t.Errorf("broken: %s\n%s", r.broken, strings.Join(r.trace, "\n"))
	}
}

// modelNeed is a rule and a promise that breaks without it.
type modelNeed struct {
	rule    modelRule
	promise modelPromise
}

var modelNeeds = []modelNeed{
	{ruleFence, promiseEffect},
	{ruleEpoch, promiseOwner},
	{ruleEpoch, promisePart},
	{ruleRescueFence, promisePlace},
	{ruleRescueRaises, promiseOwner},
	{ruleReleaseFence, promisePlace},
	{ruleRetryEpoch, promiseEpoch},
	{ruleLookFailed, promisePart},
	{ruleLookDone, promisePart},
	{ruleLookDone, promisePlace},
	{ruleLookLocks, promisePart},
	{ruleStrangers, promiseEnd},
	{ruleUnheard, promiseEnd},
	{ruleDropLast, promisePlace},
	{ruleDropAfterwards, promiseEnd},
	{ruleCountSettled, promisePlace},
	{ruleSkipLocked, promisePlace},
	{ruleFirstSize, promiseCharge},
	{ruleBatchLoss, promiseCharge},
	{ruleDeleteEpoch, promisePlace},
	{ruleAlone, promiseAlone},
	{ruleRescueCancels, promiseCancel},
	{ruleReleaseCancels, promiseCancel},
	{ruleRetryCancels, promiseCancel},
	{ruleRetryForgets, promiseCancel},
}

func TestModelNeedsEveryRule(t *testing.T) {
	t.Parallel()
	for _, x := range modelNeeds {
		t.Run(string(x.rule), func(t *testing.T) {
			t.Parallel()
			var r modelRun
			for most := 0; most <= modelCost && r.broken == ""; most++ {
				m := &model{without: x.rule}
				r = m.explore(most, x.promise)
			}
			if r.broken != x.promise {
				t.Fatalf("without it still holds, in %d states: %s", r.states, x.promise)
			}
			t.Logf("without it does not hold: %s\n%s", x.promise, strings.Join(r.trace, "\n"))
		})
	}
}

func TestModelCanBreakEveryPromise(t *testing.T) {
	t.Parallel()
	for _, p := range modelPromises {
		if !slices.ContainsFunc(modelNeeds, func(x modelNeed) bool { return x.promise == p }) {
			t.Errorf("no missing rule breaks it, so nothing shows that it is looked at: %s", p)
		}
	}
}

func TestModelMakesOnlyMovesOfTheEngine(t *testing.T) {
	t.Parallel()
	m := &model{}
	made := m.explore(1, "").moves
	n := 0
	for from := range made {
		for to, made := range made[from] {
			if !made {
				continue
			}
			n++
			a, b := State{PhaseConsume, Status(from)}, State{PhaseConsume, Status(to)}
			if !slices.ContainsFunc(Moves, func(mv Move) bool { return mv.From == a && mv.To == b }) {
				t.Errorf("the model moves a job from %s to %s, and no event of the engine does", a, b)
			}
		}
	}
	if n < 8 {
		t.Errorf("the model makes %d moves only", n)
	}
}
