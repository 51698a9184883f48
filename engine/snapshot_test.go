package engine

import (
	"testing"
	"time"
)

// A job that is retried after it failed, within one run, is told as it ended in the end.
func TestAFailedJobThatIsRetriedCountsAsRetried(t *testing.T) {
	t.Parallel()
	var y tally
	y.init([]*Type{{Name: "t"}}, map[string]TypeID{"t": 1}, func(Queue) bool { return true })
	ends := func(id JobID, s Status, e Event) {
		o := Outcome{Job: &ClaimedJob{JobRef: JobRef{ID: id}, Type: 1}, Event: e}
		o.To.Status = s
		y.settled(time.Unix(0, 0), []Outcome{o})
	}
	ends(7, StatusFailed, GaveUp)
	ends(8, StatusFailed, GaveUp)
	ends(7, StatusFailed, GaveUp)
	ends(7, StatusCompleted, Succeeded)
	y.folded([]Settled{{Job: 9, Type: 1, Status: StatusFailed}})
	y.folded([]Settled{{Job: 9, Type: 1, Status: StatusCompleted}})
	if got := *y.types[1]; got.Completed != 2 || got.Failed != 1 || got.Retried != 3 {
		t.Errorf("got %+v, want 2 completed, 1 failed, 3 retried", got)
	}
}
