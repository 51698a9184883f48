package engine

import (
	"fmt"
	"strings"
)

// modelRule is a rule of the protocol that the model can do without, to show
// what it is for.
type modelRule string

const (
	ruleFence          modelRule = "what a process writes about a job is fenced"
	ruleEpoch          modelRule = "the epoch is the fence, not the claim alone"
	ruleRescueFence    modelRule = "rescue takes jobs of the claim's epoch only"
	ruleRescueRaises   modelRule = "rescue raises the epoch"
	ruleReleaseFence   modelRule = "release takes jobs of the claim's epoch only"
	ruleRetryEpoch     modelRule = "an operator's retry does not set the epoch back"
	ruleLookFailed     modelRule = "a lost answer is not taken for a failure"
	ruleLookDone       modelRule = "a lost answer is not taken for a success"
	ruleLookLocks      modelRule = "a lost answer is looked up with a lock"
	ruleStrangers      modelRule = "a claim that its process does not know is given back"
	ruleUnheard        modelRule = "a claim whose answer was lost does not count as known"
	ruleDropLast       modelRule = "a claim goes only with the last of its jobs"
	ruleDropAfterwards modelRule = "a claim of which nothing is left is dropped"
	ruleCountSettled   modelRule = "a job whose commit failed does not count as settled"
	ruleSkipLocked     modelRule = "a job that is locked stays in the claim when it is rescued"
	ruleFirstSize      modelRule = "a claim's size is what it was at first"
	ruleBatchLoss      modelRule = "the loss of a claim of several jobs counts for none"
	ruleDeleteEpoch    modelRule = "a claim deletes the rows that it read, of their epoch"
	ruleAlone          modelRule = "a job of a lost claim is claimed alone"
	ruleRescueCancels  modelRule = "rescue cancels a job that was asked to"
	ruleReleaseCancels modelRule = "release cancels a job that was asked to"
	ruleRetryCancels   modelRule = "a retry cancels a job that was asked to"
	ruleRetryForgets   modelRule = "an operator's retry forgets that the job was asked to cancel"
)

// model makes steps, under all rules but one.
type model struct {
	without modelRule
	emit    func(modelStep, *modelState)
}

// modelStep is what happens between two states.
type modelStep struct {
	what          string // {s} is the server, {j} the jobs, {c} the claim
	server, claim int
	jobs          modelSet
	fair          bool         // it happens in the end, if nothing hinders it
	cost          int          // 1 for what is bounded
	broken        modelPromise // what the step itself breaks
}

// modelSet is a set of jobs.
type modelSet [modelJobs]bool

func (x modelSet) count() (n int) {
	for _, in := range x {
		if in {
			n++
		}
	}
	return n
}

func oneJob(j int) (x modelSet) {
	x[j] = true
	return x
}

// String tells what happens.
func (t modelStep) String() string {
	var jobs []string
	for j, in := range t.jobs {
		if in {
			jobs = append(jobs, fmt.Sprint("job ", j+1))
		}
	}
	return strings.NewReplacer("{s}", fmt.Sprint("server ", t.server+1), "{c}", "claim "+string(rune('A'+t.claim)),
		"{j}", strings.Join(jobs, " and ")).Replace(t.what)
}

// fair emits a step that happens in the end, if nothing hinders it.
func (m *model) fair(t modelStep, n *modelState) {
	t.fair = true
	m.emit(t, n)
}

// fault emits a step in which something goes wrong.
func (m *model) fault(t modelStep, n *modelState) {
	t.cost = 1
	m.emit(t, n)
}

// whim emits a step that a hook, a draining process or a person may want.
func (m *model) whim(t modelStep, n *modelState) {
	t.cost = 1
	m.emit(t, n)
}

// steps emits every state that can follow.
func (m *model) steps(s *modelState) {
	for v := range modelServers {
		m.claimAny(s, v)
		m.take(s, v)
		m.flush(s, v)
		m.trouble(s, v)
	}
	for c := range s.claims {
		for j := range s.jobs {
			m.work(s, c, j)
			m.land(s, c, j)
		}
		m.drop(s, c)
		m.reconcile(s, c)
		m.rescue(s, c)
	}
	for j := range s.jobs {
		m.promote(s, j)
		m.cancel(s, j)
		m.operatorRetry(s, j)
	}
}

// fence says whether a job is still the claim's.
func (m *model) fence(s *modelState, c, j int) bool {
	k := &s.claims[c]
	if m.without == ruleEpoch { // the claim is there, and the job not final
		return k.row && k.listed[j] && !s.jobs[j].status.Final()
	}
	return k.epoch[j] == s.jobs[j].epoch
}

// passes says whether a process may write about a job that it has.
func (m *model) passes(s *modelState, c, j int) bool {
	return m.without == ruleFence || m.fence(s, c, j)
}

// work is what a process does about a job that it has.
func (m *model) work(s *modelState, c, j int) {
	k := &s.claims[c]
	st := k.stage[j]
	if st == stageDoubt {
		m.lookUp(s, c, j)
		return
	}
	if st != stageStart && st != stageHalf || s.locked(j) {
		return // where the row is locked, the fence waits
	}
	step := modelStep{server: int(k.server), claim: c, jobs: oneJob(j)}
	n := *s
	if !m.passes(s, c, j) {
		step.what = "{s} finds that it has lost {j} of {c}"
		n.claims[c].stage[j] = stageNone
		m.fair(step, &n)
		return
	}
	if j == checkpointJob && st == stageStart {
		m.commit(s, c, j, commitCheckpoint)
	} else {
		m.commit(s, c, j, commitComplete)
		step.what = "{s} leaves {j} of {c} to be completed in a batch"
		n.claims[c].stage[j] = stageDone
		m.fair(step, &n)
	}
	m.commit(s, c, j, commitRetry)
	m.commit(s, c, j, commitSnooze)
	m.release(s, c, j)
	if m.without == ruleCountSettled {
		step.what = "{s} cannot reach the database to commit {j} of {c}, and counts it as settled"
		n.claims[c].stage[j] = stageNone
		m.fault(step, &n)
	}
}

var modelCommits = [...]string{"", "a checkpoint of {j} of {c}", "that {j} of {c} is completed", "that {j} of {c} failed", "that {j} of {c} is snoozed"}

// commit is a hook's own transaction. The last job of a claim takes the claim
// with it; but it may not know that it is the last, while the answer about
// another is on its way.
func (m *model) commit(s *modelState, c, j int, what modelCommit) {
	k := &s.claims[c]
	last := what != commitCheckpoint && k.lastOne(j)
	if last {
		m.commitWith(s, c, j, what, true)
	}
	if !last || k.size > 1 {
		m.commitWith(s, c, j, what, false)
	}
}

func (m *model) commitWith(s *modelState, c, j int, what modelCommit, drops bool) {
	step := modelStep{what: "{s} commits " + modelCommits[what], server: int(s.claims[c].server), claim: c, jobs: oneJob(j)}
	if drops {
		step.what += ", and drops the claim"
	}
	emit := map[modelCommit]func(modelStep, *modelState){commitRetry: m.emit, commitSnooze: m.whim}[what]
	if emit == nil {
		emit = m.fair
	}
	n := *s
	k := &n.claims[c]
	m.apply(&n, j, what)
	k.row = k.row && !drops
	after := stageNone
	if what == commitCheckpoint {
		after = stageHalf
	}
	k.stage[j] = after
	emit(step, &n)

	n = *s
	if what == commitSnooze {
		return // its answer is lost like that of a retry
	}
	k.flight[j], k.drops = what, drops
	switch m.without {
	case ruleLookFailed:
	case ruleLookDone:
		k.stage[j] = after
	default:
		k.stage[j] = stageDoubt
	}
	step.what += ", and no answer comes"
	m.fault(step, &n)
}

// land is the end of a COMMIT to which no answer came: the database has rolled
// it back, or it takes effect, be it long afterwards.
func (m *model) land(s *modelState, c, j int) {
	what := s.claims[c].flight[j]
	if what == commitNone {
		return
	}
	step := modelStep{what: "the database has rolled back " + modelCommits[what], claim: c, jobs: oneJob(j)}
	n := *s
	k := &n.claims[c]
	k.flight[j], k.drops = commitNone, false
	m.fair(step, &n)
	step.what = "the database commits " + modelCommits[what]
	m.apply(&n, j, what)
	k.row = k.row && !s.claims[c].drops
	m.fair(step, &n)
}

// apply writes what becomes of a job whose fence has held.
func (m *model) apply(n *modelState, j int, what modelCommit) {
	b := &n.jobs[j]
	switch {
	case what == commitCheckpoint:
		b.half, b.parts, b.attempts = true, min(b.parts+1, 2), 0
		return
	case what == commitComplete:
		b.effects = min(b.effects+1, 2)
		b.end(StatusCompleted)
	case b.asked && m.without != ruleRetryCancels:
		b.end(StatusCancelled)
	case what == commitRetry && b.attempts+1 >= modelMaxAttempts:
		b.end(StatusFailed)
	case what == commitRetry:
		b.attempts++
		b.epoch++
		b.delayed = b.epoch
	default:
		b.epoch++
		b.delayed = b.epoch
	}
}

// end makes a job final.
func (b *modelJob) end(st Status) {
	b.epoch++
	b.status, b.attempts, b.asked, b.ready, b.alone, b.delayed = st, 0, false, 0, false, 0
}

// lookUp finds out what became of a COMMIT whose answer was lost: it reads the
// job's row with a lock, which waits for a COMMIT on its way.
func (m *model) lookUp(s *modelState, c, j int) {
	if s.locked(j) && m.without != ruleLookLocks {
		return
	}
	n := *s
	k := &n.claims[c]
	step := modelStep{what: "{s} looks: {j} of {c} is not its any more", server: int(k.server), claim: c, jobs: oneJob(j)}
	k.stage[j] = stageNone
	if m.fence(s, c, j) {
		step.what = "{s} looks: {j} of {c} is still its, and it goes on from the stored position"
		k.stage[j] = s.jobs[j].begin()
	}
	m.fair(step, &n)
}

// flush completes what waits in a process in one transaction, with the claims
// of which nothing else is left. If the answer is lost, it is done again.
func (m *model) flush(s *modelState, v int) {
	step := modelStep{what: "{s} completes {j} in a batch", server: v}
	n := *s
	for c := range n.claims {
		k := &n.claims[c]
		if !k.known || int(k.server) != v {
			continue
		}
		mine := false
		for j, st := range k.stage {
			if st != stageDone {
				continue
			}
			if s.locked(j) {
				return
			}
			if m.passes(&n, c, j) {
				m.apply(&n, j, commitComplete)
			}
			mine, step.jobs[j], k.stage[j] = true, true, stageNone
		}
		if mine && (k.settled() || m.without == ruleDropLast) {
			k.row = false
		}
	}
	if step.jobs.count() == 0 {
		return
	}
	m.fair(step, &n)
	for c := range n.claims {
		n.claims[c].stage = s.claims[c].stage
	}
	step.what += ", and the answer to COMMIT is lost"
	m.fault(step, &n)
}

// drop deletes a claim whose last job was settled without it.
func (m *model) drop(s *modelState, c int) {
	k := &s.claims[c]
	if !k.known || !k.row || !k.settled() || k.drops || m.without == ruleDropAfterwards {
		return
	}
	n := *s
	n.claims[c].row = false
	m.fair(modelStep{what: "{s} drops {c}, of which nothing is left", server: int(k.server), claim: c}, &n)
}

// release gives a job back, as a draining process does. If the answer is lost,
// it is done again.
func (m *model) release(s *modelState, c, j int) {
	if !s.claims[c].row {
		return
	}
	step := modelStep{what: "{s} gives {j} of {c} back", server: int(s.claims[c].server), claim: c, jobs: oneJob(j)}
	n := *s
	k := &n.claims[c]
	m.giveBack(&n, c, j)
	k.row = k.listed != modelSet{}
	st := k.stage[j]
	k.stage[j] = stageNone
	m.whim(step, &n)
	k.stage[j] = st
	step.what += ", and the answer to COMMIT is lost"
	m.fault(step, &n)
}

// giveBack takes a job out of a claim's row and makes it due again.
func (m *model) giveBack(n *modelState, c, j int) {
	k, b := &n.claims[c], &n.jobs[j]
	mine := m.fence(n, c, j) || m.without == ruleReleaseFence
	k.listed[j] = false
	switch {
	case !mine:
	case b.asked && m.without != ruleReleaseCancels:
		b.end(StatusCancelled)
	default:
		b.epoch++
		b.ready, b.alone = b.epoch, k.size == 1
	}
}

// reconcile gives back a claim that a living incarnation holds and does not
// know.
func (m *model) reconcile(s *modelState, c int) {
	k := &s.claims[c]
	if !k.row || k.known || k.orphan || k.drops || s.dead[k.server] || m.without == ruleStrangers {
		return
	}
	n := *s
	for j, in := range k.listed {
		if in && s.locked(j) {
			return
		}
		if in {
			m.giveBack(&n, c, j)
		}
	}
	n.claims[c].row = false
	m.fair(modelStep{what: "{s} gives back {c}, which it does not know", server: int(k.server), claim: c}, &n)
}

// rescue takes back the jobs of a claim whose incarnation is dead. Those that
// are locked stay in it.
func (m *model) rescue(s *modelState, c int) {
	k := &s.claims[c]
	if !k.row || k.drops || !k.orphan && !s.dead[k.server] {
		return
	}
	step := modelStep{what: "{c} of a dead process is rescued", claim: c}
	n := *s
	size := int(k.size)
	if m.without == ruleFirstSize {
		size = k.listed.count()
	}
	counts := size == 1 || m.without == ruleBatchLoss
	left := modelSet{}
	for j, in := range k.listed {
		switch {
		case !in:
		case s.locked(j):
			left[j] = m.without != ruleSkipLocked
		case m.without == ruleRescueFence || m.fence(s, c, j):
			if counts && k.size > 1 {
				step.broken = promiseCharge
			}
			m.takeBack(&n, j, counts)
			step.jobs[j] = true
		}
	}
	if step.jobs.count() > 0 {
		step.what += ", and {j} taken back"
	}
	n.claims[c].listed, n.claims[c].row = left, left != modelSet{}
	m.fair(step, &n)
}

// takeBack makes a lost job due again. Where the loss counts, the attempt has
// failed.
func (m *model) takeBack(n *modelState, j int, counts bool) {
	b := &n.jobs[j]
	switch {
	case b.asked && m.without != ruleRescueCancels:
		b.end(StatusCancelled)
		return
	case counts && b.attempts+1 >= modelMaxAttempts:
		b.end(StatusFailed)
		return
	}
	if m.without != ruleRescueRaises {
		b.epoch++
	}
	if counts {
		b.attempts++
		b.delayed = b.epoch
	} else {
		b.ready, b.alone = b.epoch, true
	}
}

// promote makes a delayed job ready.
func (m *model) promote(s *modelState, j int) {
	if s.jobs[j].delayed == 0 {
		return
	}
	n := *s
	b := &n.jobs[j]
	b.ready, b.alone, b.delayed = b.delayed, false, 0
	m.fair(modelStep{what: "{j} becomes ready", jobs: oneJob(j)}, &n)
}

// cancel is a person's. A job that is claimed is only asked to: its process, or
// whoever makes it due again, ends it.
func (m *model) cancel(s *modelState, j int) {
	if s.jobs[j].status.Final() || s.jobs[j].asked || s.locked(j) {
		return
	}
	n := *s
	b := &n.jobs[j]
	if b.ready != 0 || b.delayed != 0 {
		b.end(StatusCancelled)
	} else {
		b.asked = true
	}
	m.whim(modelStep{what: "a person cancels {j}", jobs: oneJob(j)}, &n)
}

// operatorRetry is a person's: a final job is due again. What a completed one
// has done, it did in its former life.
func (m *model) operatorRetry(s *modelState, j int) {
	if !s.jobs[j].status.Final() {
		return
	}
	n := *s
	b := &n.jobs[j]
	if b.status == StatusCompleted {
		b.half, b.parts, b.effects = false, 0, 0
	}
	b.asked = m.without == ruleRetryForgets && b.status == StatusCancelled
	if b.epoch++; m.without == ruleRetryEpoch {
		b.epoch -= 2
	}
	b.status, b.ready = StatusWaiting, b.epoch
	m.whim(modelStep{what: "a person retries {j}", jobs: oneJob(j)}, &n)
}

// trouble is what befalls a server, and what it does when it learns of it.
func (m *model) trouble(s *modelState, v int) {
	gone, forgetful, dead := *s, *s, *s
	holds, knows := false, false
	for c := range s.claims {
		k := &s.claims[c]
		if *k == (modelClaim{}) || k.orphan || int(k.server) != v {
			continue
		}
		holds, knows = true, knows || k.known
		gone.claims[c].forget()
		gone.claims[c].orphan = true
		forgetful.claims[c].forget()
	}
	gone.dead[v], gone.looks[v] = false, modelLook{}
	if s.dead[v] {
		m.fair(modelStep{what: "{s} learns that it was declared dead, and begins anew", server: v}, &gone)
	} else if dead.dead[v] = true; holds {
		m.fault(modelStep{what: "{s} lives, and is declared dead", server: v}, &dead)
	}
	if holds {
		m.fault(modelStep{what: "{s} crashes", server: v}, &gone)
	}
	if knows {
		m.fault(modelStep{what: "{s} stops its hooks, because its lease may be over", server: v}, &forgetful)
	}
}
