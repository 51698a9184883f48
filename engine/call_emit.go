package engine

import (
	"encoding/json"
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
	created, err := c.emit(e)
	if created {
		c.pend.loose++
	}
	return created, err
}

func (c *Call) emit(e Emission) (bool, error) {
	if c.job.Phase != PhaseProduce && c.job.Phase != PhaseConsume {
		return false, c.misuse("emit is for produce and consume; in %s use ctx.enqueue", c.job.Phase)
	}
	j, err := c.insert(e)
	if err != nil {
		return false, err
	}
	j.Phase, j.Parent = PhaseConsume, c.job.ID
	return c.add(&c.pend.items, j)
}

// Enqueue makes a job of its own, in the first phase of its type, with the
// job's commit. It says whether it is created.
func (c *Call) Enqueue(e Emission) (bool, error) {
	j, err := c.insert(e)
	if err != nil {
		return false, err
	}
	return c.add(&c.pend.enqueue, j)
}

// add puts a job among the pending ones, unless its key is taken.
func (c *Call) add(to *[]JobInsert, j JobInsert) (bool, error) {
	if err := c.noSecret("the key", j.Key); err != nil {
		return false, err
	}
	if len(j.Payload) > MaxPayload {
		return false, c.misuse("a payload of %d bytes is too large: at most %d", len(j.Payload), MaxPayload)
	}
	if len(c.pend.items)+len(c.pend.enqueue) >= MaxPendingItems || c.pend.bytes+len(j.Payload) > MaxPendingBytes {
		return false, &Failure{Kind: KindLimit, Message: "too many items wait to be committed (at most 10000, or 64 MB): call ctx.checkpoint() now and then, or use ctx.emit_all", Retryable: false}
	}
	if j.Key != "" {
		if i, ok := c.pend.find(j); ok {
			if j.Replace {
				c.pend.replace(i, j.Payload)
			}
			return false, nil
		}
		_, taken, err := c.eng.store.KeyHolder(c.ctx, j)
		if err != nil {
			return false, err
		}
		if taken && !j.Replace {
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

func (c *Call) insert(e Emission) (JobInsert, error) {
	if e.Payload != nil && !json.Valid(e.Payload) {
		return JobInsert{}, c.misuse("the payload is no JSON")
	}
	j := NewJob{Type: e.Type, Payload: e.Payload, Key: e.Key, Unique: e.Unique, Replace: e.Replace, Priority: e.Priority, After: e.After}
	if e.Type == "" {
		j.Type = c.typ.Name
	}
	switch {
	case e.Instance != nil:
		j.Instance = *e.Instance
	case j.Type == c.typ.Name:
		j.Instance = c.job.Instance
	}
	in, err := c.eng.resolve(c.ctx, j)
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

// EmitAll emits all that src gives. Past a bound it commits by itself, if only
// such loops have written anything, and after a crash it leaves out what was
// committed: src must give the same again. It says how many were created.
func (c *Call) EmitAll(src EmissionSource) (int64, error) {
	if c.job.Phase != PhaseProduce && c.job.Phase != PhaseConsume {
		return 0, c.misuse("emit_all is for produce and consume; in %s use ctx.enqueue", c.job.Phase)
	}
	l, err := c.enterLoop()
	if err != nil {
		return 0, err
	}
	var made int64
	for {
		e, err := src.NextEmission()
		if err == io.EOF {
			return made, l.exhausted()
		}
		if err != nil {
			return made, err
		}
		print := func() uint64 { return Fingerprint(e.Key, e.Payload) }
		if skip, err := l.skip(print); err != nil {
			return made, err
		} else if skip {
			continue
		}
		created, err := c.emit(e)
		if err != nil {
			return made, err
		}
		if created {
			made++
		}
		l.advance(1, print(), false)
		if len(c.pend.items) >= emitAllBatch && l.sure && c.mayCommitAlone() {
			if err := c.commitPosition(); err != nil {
				return made, err
			}
		}
	}
}

// mayCommitAlone says whether a loop may commit by itself: nothing would be
// committed that the script would do once more after a crash.
func (c *Call) mayCommitAlone() bool {
	return c.catching == 0 && !c.pend.touched() && (c.session == nil || !c.session.Wrote())
}

func (c *Call) misuse(format string, args ...any) error {
	return &Failure{Kind: KindError, Code: "usage", Retryable: true, Message: Errorf(CodeUsage, format, args...).Message}
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
