package sqlstore

import (
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// pruned remembers how far pruning came: by type the last job looked at, and
// the last key.
type pruned struct {
	mu   sync.Mutex
	jobs map[engine.TypeID]engine.JobID
	last pruneKey
}

type pruneKey struct {
	typ  engine.TypeID
	hash []byte
	job  engine.JobID
}

func (p *pruned) get(t engine.TypeID) engine.JobID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.jobs[t]
}

func (p *pruned) set(t engine.TypeID, id engine.JobID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == nil {
		p.jobs = map[engine.TypeID]engine.JobID{}
	}
	p.jobs[t] = id
}

func (p *pruned) key() pruneKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.hash == nil {
		return pruneKey{hash: []byte{}}
	}
	return p.last
}

func (p *pruned) setKey(k pruneKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = k
}
