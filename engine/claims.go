package engine

import (
	"crypto/rand"
	"slices"
	"sync"
)

// claimTable is what a process knows of its own claims: which of their jobs are
// not done with. A job may be reported to be so more than once (given back, and
// then found to be another's; failed, and then found in a batch), so it is the jobs
// that are kept, not how many: a claim that is dropped under a job loses it for ever.
// A claim in the database that is not in it is a stranger (an answer that was lost)
// and is given back; so are the jobs of a torn one that it does not have.
type claimTable struct {
	mu   sync.Mutex
	left map[ClaimID]map[JobID]struct{} // nil: not known to be taken yet
	torn map[ClaimID]bool               // known ones with jobs in the database that could not be given back
}

func newClaimTable() *claimTable {
	return &claimTable{left: map[ClaimID]map[JobID]struct{}{}, torn: map[ClaimID]bool{}}
}

// newID makes the id of a claim to come. It is known from now on, so that it
// is never taken for a stranger.
func (t *claimTable) newID() ClaimID {
	var id ClaimID
	rand.Read(id[:])
	t.mu.Lock()
	t.left[id] = nil
	t.mu.Unlock()
	return id
}

// taken notes the jobs that came with a claim. It is false if the claim was
// forgotten meanwhile: its jobs must not be run.
func (t *claimTable) taken(id ClaimID, jobs []ClaimedJob) bool {
	left := make(map[JobID]struct{}, len(jobs))
	for i := range jobs {
		left[jobs[i].ID] = struct{}{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.left[id]; !ok {
		return false
	}
	t.left[id] = left
	return true
}

// settled notes that jobs of a claim are done with: settled, given back, or known to
// be others'. It says whether all of the claim are now: its row is to be dropped
// then. To say it again of the same jobs changes nothing.
func (t *claimTable) settled(id ClaimID, jobs ...JobID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.left[id]
	if len(left) == 0 {
		return false
	}
	for _, job := range jobs {
		delete(left, job)
	}
	if len(left) > 0 {
		return false
	}
	whole := !t.torn[id] // else it is a stranger now
	t.drop(id)
	return whole
}

// giveUp notes that jobs of a claim could not be given back: they are strangers, and
// its row is not to be dropped with the last of the others.
func (t *claimTable) giveUp(id ClaimID, jobs []JobRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left, known := t.left[id]
	if !known {
		return
	}
	for _, j := range jobs {
		delete(left, j.ID)
	}
	if t.torn[id] = true; len(left) == 0 {
		t.drop(id)
	}
}

// strangers are those of a claim's jobs that are to be given back.
func (t *claimTable) strangers(id ClaimID, jobs []JobRef) []JobRef {
	t.mu.Lock()
	defer t.mu.Unlock()
	left, known := t.left[id]
	if known && !t.torn[id] {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(jobs), func(j JobRef) bool { _, ours := left[j.ID]; return ours })
}

// rest says whether nothing is left of a claim but the given jobs, which it sorts.
func (t *claimTable) rest(id ClaimID, jobs ...JobID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.left[id]
	if len(left) == 0 || len(left) > len(jobs) || t.torn[id] {
		return false
	}
	slices.Sort(jobs)
	for job := range left {
		if _, given := slices.BinarySearch(jobs, job); !given {
			return false
		}
	}
	return true
}

// forget drops a claim: if the database has it still, it is a stranger now.
func (t *claimTable) forget(ids ...ClaimID) {
	t.mu.Lock()
	for _, id := range ids {
		t.drop(id)
	}
	t.mu.Unlock()
}

func (t *claimTable) drop(id ClaimID) {
	delete(t.left, id)
	delete(t.torn, id)
}

// clear forgets all: the incarnation that held them is gone.
func (t *claimTable) clear() {
	t.mu.Lock()
	clear(t.left)
	clear(t.torn)
	t.mu.Unlock()
}

// known says whether the process knows a claim.
func (t *claimTable) known(id ClaimID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.left[id]
	return ok
}
