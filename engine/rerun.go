package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrSevered is in the chain of an error that ended a transaction with its connection
// to the database.
var ErrSevered = errors.New("the connection to the database was lost")

// Severed marks an error as one of a connection that is gone: see ErrSevered.
func Severed(err error) error { return severed{err} }

type severed struct{ error }

func (e severed) Unwrap() error   { return e.error }
func (severed) Is(err error) bool { return err == ErrSevered }

// tries counts how often in a row a hook was run again in vain.
type tries struct {
	n       int
	since   time.Duration // when it first was, by Clock.Boot
	began   time.Duration // when the last run did
	severed error         // that ended it with its connection; nil: it ended otherwise
	outage  int           // the one that was counted last
}

// ranInVain counts a run that is made again. One outage counts once, however often the
// connection is lost in it.
func (s *Server) ranInVain(j *ClaimedJob, t *Type, r *tries) {
	if r.severed == nil {
		r.n++
		return
	}
	number, met := s.away.during(r.began)
	if !met || number != r.outage {
		r.n++
		s.tellSevered(j, t, r.severed)
	}
	if met {
		r.outage = number
	}
}

// tellSevered tells, also in the job's log, that its hook runs again because what it had
// not committed was lost with its connection.
func (s *Server) tellSevered(j *ClaimedJob, t *Type, err error) {
	why := s.eng.secrets.Strike(fmt.Sprint(innermost(err)))
	from := "from its beginning"
	if p, err := parsePosition(j.Position); j.Checkpoints > 0 || err == nil && p.begun() {
		from = "from its last checkpoint"
	}
	s.eng.log.Info("the transaction of a job was lost with the connection to the database: its hook runs again, "+from, "job", j.ID, "type", t.Name, "phase", j.Phase, "error", why)
	s.logs.note(j, j.attempt(), fmt.Sprintf("the transaction of the job was lost with the connection to the database (%s): %s runs again, %s. It burns no attempt; what it did outside the database, such as requests, is done once more", why, j.Phase, from))
}

// noteUnleased notes in the job's log that its hook was ended because the server could
// not renew its lease.
func (s *Server) noteUnleased(j *ClaimedJob) {
	if !s.lapsed.Load() {
		return // a test of a script plays a crash
	}
	why := "since the database was slow to answer, or the process or its machine stood still"
	if _, away := s.away.during(s.eng.clock.Boot() - s.opts.Lease); away {
		why = "since the database could not be used"
	}
	s.logs.note(j, j.attempt(), fmt.Sprintf("server %s could not renew its lease in time, %s: %s was ended, and what it had not committed is taken back. The process goes on. It burns no attempt, and the job goes on, from its last checkpoint if it has one, on the next server that takes it", s.opts.Name, why, j.Phase))
}

// attempt is the number of the attempt that runs; in the fail hook, of the one that
// failed.
func (j *ClaimedJob) attempt() int {
	if j.Phase == PhaseFail {
		return j.Attempts
	}
	return j.Attempts + 1
}

// tellTries says that a job cannot go on because of the database, for all jobs
// together: what stops one stops most.
func (s *Server) tellTries(what string, j *ClaimedJob, t *Type, r tries, err error) {
	if r.n == 0 {
		r.since = s.eng.clock.Boot()
	}
	s.waitOut(nil, what, r.since, err, "job", j.ID, "type", t.Name)
}

// runsAgain tells that the hook runs again because of what others did meanwhile:
// what it does outside the database is done once more.
func (c *Call) runsAgain(err error) {
	c.job.Reruns++
	c.Log(slog.LevelInfo, fmt.Sprintf("%s runs again: %v. Nothing of this run was kept; what it did outside the database, such as requests, is done once more", c.job.Phase, innermost(err)), nil)
}

// innermost is the error of a conflict that says what was done.
func innermost(err error) error {
	for cause := errors.Unwrap(err); cause != nil && cause != ErrLinked; cause = errors.Unwrap(cause) {
		err = cause
	}
	return err
}
