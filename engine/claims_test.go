package engine

import (
	"slices"
	"testing"
)

// claimedJobs are jobs as they come with a claim.
func claimedJobs(ids ...JobID) []ClaimedJob {
	list := make([]ClaimedJob, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}

func TestAClaimIsDoneWithWhenEachOfItsJobsIs(t *testing.T) {
	t.Parallel()
	list := claimedJobs(1, 2, 3, 4)
	claims := newClaimTable()
	id := claims.newID()
	settled := func(want bool, jobs ...JobID) {
		t.Helper()
		if got := claims.settled(id, jobs...); got != want {
			t.Errorf("%v are done with, so the claim is: %v, want %v", jobs, got, want)
		}
	}
	rest := func(want bool, jobs ...JobID) {
		t.Helper()
		if got := claims.rest(id, jobs...); got != want {
			t.Errorf("%v are all that is left: %v, want %v", jobs, got, want)
		}
	}
	settled(false, 1) // not known to be taken yet
	rest(false)
	if !claims.taken(id, list) {
		t.Fatal("it is not known")
	}
	settled(false, 1)
	settled(false, 1)
	settled(false, 1, 1, 1)
	rest(false, 4, 3)
	rest(true, 4, 2, 3)
	rest(true, 4, 1, 2, 3) // whatever else is settled with them
	rest(false, 2, 3, 1)
	rest(false, 4, 3, 3)
	settled(false, 2, 4)
	rest(false, 2)
	rest(true, 3)
	settled(false)
	settled(true, 2, 3)
	settled(false, 3)
	rest(false, 3)
	if claims.known(id) || claims.taken(id, list) {
		t.Error("it is known still")
	}
}

func TestAJobThatCouldNotBeGivenBackIsAStrangerInItsClaim(t *testing.T) {
	t.Parallel()
	claims := newClaimTable()
	id := claims.newID()
	claims.taken(id, claimedJobs(1, 2, 3))
	refs := []JobRef{{ID: 1}, {ID: 2}, {ID: 3}}
	strangers := func(want ...JobRef) {
		t.Helper()
		if got := claims.strangers(id, refs); !slices.Equal(got, want) {
			t.Errorf("strangers are %v, want %v", got, want)
		}
	}
	strangers()
	claims.giveUp(id, refs[1:2])
	strangers(refs[1])
	if claims.rest(id, 1, 3) || claims.settled(id, 1) {
		t.Error("its row would be dropped, and with it the job")
	}
	strangers(refs[0], refs[1])
	if claims.settled(id, 3) || claims.known(id) {
		t.Error("it is known still, or its row would be dropped")
	}
	strangers(refs...)
}
