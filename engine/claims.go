package engine

import (
	"crypto/rand"
	"sync"
)

// claimTable is what a process knows of its own claims: how many of their
// jobs have not been settled. A claim in the database that is not in it is a
// stranger (an answer that was lost) and is given back.
type claimTable struct {
	mu   sync.Mutex
	left map[ClaimID]int
}

func newClaimTable() *claimTable { return &claimTable{left: map[ClaimID]int{}} }

// newID makes the id of a claim to come. It is known from now on, so that it
// is never taken for a stranger.
func (t *claimTable) newID() ClaimID {
	var id ClaimID
	rand.Read(id[:])
	t.mu.Lock()
	t.left[id] = -1
	t.mu.Unlock()
	return id
}

// taken notes how many jobs came with a claim. It is false if the claim was
// forgotten meanwhile: its jobs must not be run.
func (t *claimTable) taken(id ClaimID, jobs int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.left[id]; !ok {
		return false
	}
	t.left[id] = jobs
	return true
}

// settled notes that n jobs of a claim are done with, and says whether the
// claim is: its row is to be dropped then.
func (t *claimTable) settled(id ClaimID, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left, ok := t.left[id]
	if !ok {
		return false
	}
	if left -= n; left > 0 {
		t.left[id] = left
		return false
	}
	delete(t.left, id)
	return true
}

// rest says whether n jobs are all that is left of a claim.
func (t *claimTable) rest(id ClaimID, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left[id] == n
}

// forget drops a claim: if the database has it still, it is a stranger now.
func (t *claimTable) forget(ids ...ClaimID) {
	t.mu.Lock()
	for _, id := range ids {
		delete(t.left, id)
	}
	t.mu.Unlock()
}

// clear forgets all: the incarnation that held them is gone.
func (t *claimTable) clear() {
	t.mu.Lock()
	clear(t.left)
	t.mu.Unlock()
}

// known says whether the process knows a claim.
func (t *claimTable) known(id ClaimID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.left[id]
	return ok
}
