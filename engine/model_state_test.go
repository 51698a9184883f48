package engine

import (
	"cmp"
	"slices"
)

// The model of PROTOCOL.md: two servers and two jobs, as the database and the
// processes see them between two transactions. The first job has a checkpoint.
//
// A process that is down and one that has come back as a new incarnation and
// does nothing yet cannot be told apart, so a crash is one step: the process
// forgets all, and its claims belong to an incarnation that is gone.
const (
	modelJobs        = 2
	modelServers     = 2
	modelMaxClaims   = 4 // claims that exist at a time, at most
	modelMaxAttempts = 2 // MaxLosses is 1: a loss that counts is a failed attempt
	checkpointJob    = 0 // the job that has a checkpoint
	modelSlots       = 1 // a job that must be claimed alone is claimed for a free slot
)

// Epochs in a canonical state: only whether one is the stored one matters.
const (
	modelStale   = 1
	modelCurrent = 2
)

// modelJob is a job's rows: in ds_jobs, ds_ready and ds_delayed.
type modelJob struct {
	status   Status // StatusWaiting until it is final, as in the database
	epoch    uint8
	attempts uint8
	half     bool  // the checkpoint is committed
	asked    bool  // a person asked to cancel it while it was claimed
	ready    uint8 // the epoch in its row; 0: no row
	alone    bool  // its ready row says that it must be claimed alone
	delayed  uint8

	// What no table has, to judge by: what its hook has committed in this life,
	// with the checkpoint and with its completion.
	parts, effects uint8
}

// modelStage is how far a process is with a job of a claim that it knows.
type modelStage uint8

const (
	stageNone  modelStage = iota // done with it
	stageStart                   // at work, from the beginning
	stageHalf                    // at work, from the checkpoint
	stageDone                    // ended well, waits to be completed in a batch
	stageDoubt                   // the answer to its COMMIT was lost
)

// modelCommit is a hook's COMMIT.
type modelCommit uint8

const (
	commitNone modelCommit = iota
	commitCheckpoint
	commitComplete
	commitRetry
	commitSnooze
)

// modelClaim is a row of ds_claims, and what its process knows of it.
type modelClaim struct {
	row    bool
	size   uint8 // jobs at first
	listed modelSet
	server uint8
	orphan bool // of an incarnation that is gone

	known   bool // its process knows it
	unheard bool // known, though its process was never told of its jobs
	stage   [modelJobs]modelStage
	epoch   [modelJobs]uint8 // in the row and in the process

	// A COMMIT on its way, whose sender has ceased to wait. It holds the locks
	// of the job's row and, if it drops the claim, of the claim's.
	flight [modelJobs]modelCommit
	drops  bool
}

// modelLook is what a claim under way has read without a lock and has yet to
// delete: the epochs of the rows; 0: not read.
type modelLook [modelJobs]uint8

// modelState is everything between two steps.
type modelState struct {
	jobs   [modelJobs]modelJob
	claims [modelMaxClaims]modelClaim
	dead   [modelServers]bool // declared dead, though the process lives
	looks  [modelServers]modelLook
}

func newModelState() modelState {
	var s modelState
	for j := range s.jobs {
		s.jobs[j] = modelJob{status: StatusWaiting, epoch: modelCurrent, ready: modelCurrent}
	}
	return s
}

// ended says that all is done and nothing is left over.
func (s *modelState) ended() bool {
	for j := range s.jobs {
		if !s.jobs[j].status.Final() {
			return false
		}
	}
	for c := range s.claims {
		if s.claims[c].row {
			return false
		}
	}
	return true
}

// stands is the job's status as the engine shows it.
func (b *modelJob) stands() Status {
	if b.status == StatusWaiting && b.ready == 0 && b.delayed == 0 {
		return StatusRunning
	}
	return b.status
}

// begin is where a hook of the job begins.
func (b *modelJob) begin() modelStage {
	if b.half {
		return stageHalf
	}
	return stageStart
}

// locked says that a COMMIT on its way holds the job's row.
func (s *modelState) locked(j int) bool {
	for c := range s.claims {
		if s.claims[c].flight[j] != commitNone {
			return true
		}
	}
	return false
}

// busy is how many slots of a server are taken.
func (s *modelState) busy(v int) (n int) {
	for c := range s.claims {
		k := &s.claims[c]
		if !k.known || int(k.server) != v {
			continue
		}
		for _, st := range k.stage {
			if st == stageStart || st == stageHalf || st == stageDoubt {
				n++
			}
		}
	}
	return n
}

// unused is the index of an unused claim, or -1.
func (s *modelState) unused() int {
	for c := range s.claims {
		if s.claims[c] == (modelClaim{}) {
			return c
		}
	}
	return -1
}

// forget has a process know nothing more of a claim.
func (k *modelClaim) forget() {
	k.known, k.unheard, k.stage = false, false, [modelJobs]modelStage{}
}

// lastOne says that the job is the last one that its process has of the claim.
func (k *modelClaim) lastOne(j int) bool {
	for i, st := range k.stage {
		if i != j && st != stageNone {
			return false
		}
	}
	return true
}

// settled says that the process is done with all jobs of the claim.
func (k *modelClaim) settled() bool { return !k.unheard && k.stage == [modelJobs]modelStage{} }

// tidy clears what nobody can see any more, so that equal states look equal.
func (s *modelState) tidy() {
	for c := range s.claims {
		k := &s.claims[c]
		if k.known && !k.row && k.settled() {
			k.known = false
		}
		if !k.row {
			k.size, k.listed, k.drops = 0, modelSet{}, false
		}
		for j := range k.epoch {
			if !k.listed[j] && k.stage[j] == stageNone {
				k.epoch[j] = 0
			}
			if k.epoch[j] != s.jobs[j].epoch && (k.stage[j] == stageHalf || k.stage[j] == stageDoubt) {
				k.stage[j] = stageStart // it will find that it lost the job, all the same
			}
		}
		if !k.row && !k.known && k.flight == [modelJobs]modelCommit{} {
			*k = modelClaim{}
		}
	}
}

// canonical renumbers epochs, claims and servers: states that differ in these
// alone are one.
func (s *modelState) canonical() {
	s.tidy()
	for c := range s.claims {
		k := &s.claims[c]
		for j := range k.epoch {
			k.epoch[j] = canonicalEpoch(k.epoch[j], s.jobs[j].epoch)
		}
		if k.orphan {
			k.server = 0
		}
	}
	for j := range s.jobs {
		b := &s.jobs[j]
		for v := range s.looks {
			s.looks[v][j] = canonicalEpoch(s.looks[v][j], b.epoch)
		}
		b.ready, b.delayed = canonicalEpoch(b.ready, b.epoch), canonicalEpoch(b.delayed, b.epoch)
		b.epoch = modelCurrent
	}
	if s.weight(1) > s.weight(0) {
		s.dead[0], s.dead[1] = s.dead[1], s.dead[0]
		s.looks[0], s.looks[1] = s.looks[1], s.looks[0]
		for c := range s.claims {
			if k := &s.claims[c]; *k != (modelClaim{}) && !k.orphan {
				k.server = 1 - k.server
			}
		}
	}
	slices.SortFunc(s.claims[:], func(a, b modelClaim) int { return cmp.Compare(b.code(), a.code()) })
}

func canonicalEpoch(e, stored uint8) uint8 {
	switch e {
	case 0:
		return 0
	case stored:
		return modelCurrent
	}
	return modelStale
}

// weight is the same for two servers only if they can hardly be told apart.
func (s *modelState) weight(v int) (w uint64) {
	for c := range s.claims {
		if k := s.claims[c]; !k.orphan && int(k.server) == v && k != (modelClaim{}) {
			k.server = 0
			w += k.code() * 0x9e3779b97f4a7c15
		}
	}
	for _, e := range s.looks[v] {
		w = w<<2 | w>>62 ^ uint64(e)
	}
	if s.dead[v] {
		w++
	}
	return w
}

// code is the claim as a number; an unused one is 0.
func (k *modelClaim) code() (n uint64) {
	bit := func(b bool) {
		n <<= 1
		if b {
			n |= 1
		}
	}
	bit(k.row)
	bit(k.orphan)
	bit(k.known)
	bit(k.unheard)
	bit(k.drops)
	n = n<<2 | uint64(k.size)
	n = n<<1 | uint64(k.server)
	for j := range modelJobs {
		bit(k.listed[j])
		n = n<<2 | uint64(k.epoch[j])
		n = n<<3 | uint64(k.stage[j])
		n = n<<3 | uint64(k.flight[j])
	}
	return n
}
