package engine

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"time"
)

// Emission is an item to emit, or a job to enqueue.
type Emission struct {
	Type     string  // "": the job's own type
	Instance *string // nil: the job's own, for its own type; else none
	Payload  Raw
	Key      string
	Unique   Unique
	Replace  bool
	Priority *int
	After    time.Duration
}

// Emit makes an item of the job: a job in phase consume whose parent it is. It
// says whether it is created; with a key it may not be. Items wait for the next
// commit.
func (c *Call) Emit(e Emission) (bool, error) {
	if c.job.Phase != PhaseProduce && c.job.Phase != PhaseConsume {
		return false, c.misuse("emit is for produce and consume; in %s use ctx.enqueue", c.job.Phase)
	}
	if err := c.checkGenerations(); err != nil {
		return false, err
	}
	j, err := c.item(e)
	if err != nil {
		return false, err
	}
	created, err := c.add(&c.pend.items, j, nil)
	if created {
		c.pend.loose++
	}
	return created, err
}

// item is an emission as a job to be written.
func (c *Call) item(e Emission) (JobInsert, error) {
	j, err := c.insert(e, PhaseConsume)
	if err != nil {
		return j, err
	}
	if t, err := c.eng.Type(c.ctx, orElse(e.Type, c.typ.Name)); err != nil {
		return j, err
	} else if t.Hooks != 0 && !t.Hooks.Has(PhaseConsume) {
		return j, c.misuse("job type %q has no consume, which works on items: emit items of a type that has, or use ctx.enqueue", t.Name)
	}
	j.Phase, j.Parent = PhaseConsume, c.job.ID
	return j, err
}

// Enqueue makes a job of its own, in the first phase of its type, with the
// job's commit. It says whether it is created.
func (c *Call) Enqueue(e Emission) (bool, error) {
	j, err := c.insert(e, 0)
	if err != nil {
		return false, err
	}
	return c.add(&c.pend.enqueue, j, nil)
}

// add puts a job among the pending ones, unless its key is taken in the
// database; holder is the job that has it there, or nil: not looked up.
func (c *Call) add(to *[]JobInsert, j JobInsert, holder *KeyHolder) (bool, error) {
	if err := c.Writing(); err != nil {
		return false, err
	}
	if err := c.noSecret("the key", j.Key); err != nil {
		return false, err
	}
	if len(j.Payload) > MaxPayload {
		return false, c.misuse("a payload of %d bytes is too large: at most %d", len(j.Payload), MaxPayload)
	}
	if len(c.pend.items)+len(c.pend.enqueue) >= MaxPendingItems || c.pend.bytes+len(j.Payload) > MaxPendingBytes {
		return false, &Failure{Kind: KindLimit, Message: c.tooMuch(), Retryable: false}
	}
	if j.Key != "" {
		if i, ok := c.pend.find(j); ok {
			if j.Replace {
				c.pend.replace(i, j.Payload)
			} else if to == &c.pend.items && i >= 0 && !bytes.Equal(c.pend.items[i].Payload, j.Payload) {
				if c.pend.doubles++; c.pend.doubles == 1 {
					c.pend.double = j.Key
				}
			}
			return false, nil
		}
		if holder == nil {
			holders, err := c.eng.store.KeyHolders(c.ctx, []JobInsert{j})
			if err != nil {
				return false, err
			}
			holder = &holders[0]
		}
		taken := holder.Job != 0
		if taken && !j.Replace {
			c.pend.left.add(*holder, to == &c.pend.items)
			return false, nil
		}
		if j.Foretold = 1; taken {
			j.Foretold = -1
		}
	}
	c.pend.bytes += len(j.Payload)
	*to = append(*to, j)
	if to == &c.pend.items {
		c.pend.note(&j, len(c.pend.items)-1)
	} else {
		c.pend.note(&j, -len(c.pend.enqueue))
	}
	return j.Foretold >= 0, nil
}

// tooMuch says what to do when too much waits.
func (c *Call) tooMuch() string {
	what := "call ctx.checkpoint() now and then, or use ctx.emit_all"
	if len(c.catches) > 0 {
		what = "nothing can be committed inside catch: emit fewer there"
	}
	return fmt.Sprintf("too many items wait to be committed (at most %d, or %d MB): %s", MaxPendingItems, MaxPendingBytes>>20, what)
}

// find says where a pending job with the same key is.
func (p *pending) find(j JobInsert) (int, bool) {
	if p.keys == nil {
		p.keys = map[pendingKey]int{}
		for i := range p.items {
			p.note(&p.items[i], i)
		}
		for i := range p.enqueue {
			p.note(&p.enqueue[i], -1-i)
		}
	}
	i, ok := p.keys[pendingKey{j.Type, j.Instance, j.Key}]
	return i, ok
}

// note remembers where a pending job with a key is: i in items, -1-i in enqueue.
func (p *pending) note(j *JobInsert, i int) {
	if j.Key != "" && p.keys != nil {
		p.keys[pendingKey{j.Type, j.Instance, j.Key}] = i
	}
}

// replace gives a pending job another payload. The list is copied, because a
// catch around it may want the old one back.
func (p *pending) replace(i int, payload Raw) {
	if i < 0 {
		p.enqueue = slices.Clone(p.enqueue)
		p.enqueue[-1-i].Payload = payload
		return
	}
	p.items = slices.Clone(p.items)
	p.items[i].Payload = payload
}

// created counts the pending items that will be made.
func (p *pending) created() (n int64) {
	for i := range p.items {
		if p.items[i].Foretold >= 0 {
			n++
		}
	}
	return n
}

func (c *Call) insert(e Emission, phase Phase) (JobInsert, error) {
	if e.Payload != nil && !isJSON(e.Payload) {
		return JobInsert{}, c.misuse("the payload is no JSON")
	}
	j := NewJob{Type: e.Type, Phase: phase, Payload: e.Payload, Key: e.Key, Unique: e.Unique, Replace: e.Replace, Priority: e.Priority, After: e.After}
	if e.Type == "" {
		j.Type = c.typ.Name
	}
	switch {
	case e.Instance != nil:
		j.Instance = *e.Instance
	case j.Type == c.typ.Name:
		j.Instance = c.job.Instance
	}
	in, err := c.eng.resolve(c.ctx, j, false)
	in.Backfill = c.job.Windowed.Has(WindowBackfill)
	if CodeOf(err) == CodeNotFound {
		return JobInsert{}, c.misuse("%v: no script of that name was ever run on this database", err)
	}
	if err != nil {
		return JobInsert{}, err
	}
	return in, nil
}

// EmissionSource gives emissions until io.EOF.
type EmissionSource interface {
	NextEmission() (Emission, error)
}

// emitAllBatch is how many items EmitAll commits at a time.
const emitAllBatch = 1000

// EmitAll emits all that src gives, in a loop that id tells from others. It commits by
// itself now and then: soon if only such loops have written anything, else before too much
// waits; what the hook did before is committed with it then, and is not done again after a
// crash (see loops). Then it leaves out what was committed: src must give the same again.
// It says how many were created.
func (c *Call) EmitAll(src EmissionSource, id LoopID) (int64, error) {
	if c.job.Phase != PhaseProduce && c.job.Phase != PhaseConsume {
		return 0, c.misuse("emit_all is for produce and consume; in %s use ctx.enqueue", c.job.Phase)
	}
	if err := c.checkGenerations(); err != nil {
		return 0, err
	}
	l, err := c.enterLoop(id)
	if err != nil {
		return 0, err
	}
	var made int64
	for {
		jobs, prints, end := c.lookAhead(l, src)
		holders, err := c.eng.store.KeyHolders(c.ctx, jobs)
		if err != nil {
			return made, err
		}
		for i := range jobs {
			created, err := c.add(&c.pend.items, jobs[i], &holders[i])
			if err != nil {
				return made, err
			}
			if created {
				made++
			}
			l.note(func() uint64 { return prints[i] })
			l.advance(1, prints[i], false)
		}
		if end == io.EOF {
			return made, l.exhausted()
		}
		if end != nil {
			return made, end
		}
		// Whatever src did to give these emissions is committed with them: so only
		// where all that were read are counted.
		if l.sure && (c.pend.full() && len(c.catches) == 0 || len(c.pend.items) >= emitAllBatch && c.mayCommitAlone()) {
			if err := c.commitPosition(); err != nil {
				return made, err
			}
		}
	}
}

// lookAhead reads some emissions, so that their keys can be looked up together.
// end is why there are no more.
func (c *Call) lookAhead(l *loop, src EmissionSource) (jobs []JobInsert, prints []uint64, end error) {
	size := 0
	for len(jobs) < emitAllBatch/2 && size < 4<<20 {
		e, err := src.NextEmission()
		if err != nil {
			return jobs, prints, err
		}
		print := func() uint64 { return Fingerprint(e.Key, e.Payload) }
		skip, err := l.skip(print)
		if err != nil {
			return jobs, prints, err
		}
		if skip {
			continue
		}
		j, err := c.item(e)
		if err != nil {
			return jobs, prints, err
		}
		jobs, prints = append(jobs, j), append(prints, print())
		size += len(e.Payload)
	}
	return jobs, prints, nil
}

// full says that so much waits that a loop should commit.
func (p *pending) full() bool {
	return len(p.items)+len(p.enqueue) >= MaxPendingItems/2 || p.bytes >= MaxPendingBytes/2 || p.rejectBytes >= maxPendingReject/2
}

// mayCommitAlone says whether a loop may commit by itself: nothing would be
// committed that the script would do once more after a crash.
func (c *Call) mayCommitAlone() bool {
	return len(c.catches) == 0 && c.gathers == 0 && !c.pend.touched() && len(c.pend.onCommit) == 0 && (c.session == nil || !c.session.Changed())
}

func (c *Call) misuse(format string, args ...any) error {
	return &Failure{Kind: KindError, Code: "usage", Message: Errorf(CodeUsage, format, args...).Message}
}

// Fingerprint is a number for a key and a JSON text, never 0: enough to tell
// that an element is not the one it was.
func Fingerprint(key string, payload []byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	h.Write([]byte{0})
	h.Write(payload)
	return max(h.Sum64(), 1)
}
