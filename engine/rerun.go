package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// ErrSevered is in the chain of an error that ended a transaction with its connection
// to the database.
var ErrSevered = errors.New("the connection to the database was lost")

// ErrUnbegun is in the chain, beside ErrSevered, of an error by which no transaction
// could be begun: none was lost.
var ErrUnbegun = errors.New("there was no connection to the database")

// Severed marks an error as one of a connection that is gone: see ErrSevered.
func Severed(err error) error { return severed{error: err} }

// Unbegun marks an error as one of a connection that was not to be had: see ErrUnbegun.
func Unbegun(err error) error { return severed{error: err, unbegun: true} }

type severed struct {
	error
	unbegun bool
}

func (e severed) Unwrap() error { return e.error }
func (e severed) Is(err error) bool {
	return err == ErrSevered || err == ErrUnbegun && e.unbegun
}

// maxSpared is how many runs of a hook that an outage has ended, besides the first, do
// not count: a statement of the hook may itself be what ends the database, again and again.
const maxSpared = 50

// tries counts how often in a row a hook was run again in vain.
type tries struct {
	n       int
	since   time.Duration // when it first was, by Clock.Boot
	began   time.Duration // when the last run did
	severed error         // that ended it with its connection; nil: it ended otherwise
	away    bool          // a database that it uses, its own or another, could not be reached in it
	outage  int           // the one that was counted last
	spared  int           // runs that did not count, since the outage had counted
	unbegun int           // runs that did not count, since there was no connection
}

// wait is how long to wait before the next run.
func (r *tries) wait() time.Duration {
	return time.Duration(1+rand.IntN(20)) * time.Millisecond << max(min(r.n+r.unbegun, 6), min(r.spared, 8))
}

// ranInVain counts a run that is made again. One outage counts once, however often the
// connection is lost in it, up to maxSpared; a connection that was not to be had never does.
func (s *Server) ranInVain(j *ClaimedJob, t *Type, r *tries) {
	switch {
	case r.severed == nil:
		r.n++
		return
	case errors.Is(r.severed, ErrUnbegun):
		if r.unbegun++; r.unbegun == 1 {
			why, from := s.eng.secrets.Strike(fmt.Sprint(innermost(r.severed))), whence(j)
			s.logs.note(j, j.Attempt(), fmt.Sprintf("there was no connection to the database (%s): %s runs again, %s, until there is one. It burns no attempt; what it did outside the database, such as requests, is done once more each time", why, j.Phase, from))
		}
		return
	}
	number, met := s.away.during(r.began)
	if met && number == r.outage && r.spared < maxSpared {
		r.spared++
		return
	}
	r.n++
	s.tellSevered(j, t, r.severed)
	if met {
		r.outage = number
	}
}

// tellSevered tells, also in the job's log, that its hook runs again because what it had
// not committed was lost with its connection.
func (s *Server) tellSevered(j *ClaimedJob, t *Type, err error) {
	why := s.eng.secrets.Strike(fmt.Sprint(innermost(err)))
	from := whence(j)
	s.eng.log.Info("the transaction of a job was lost with the connection to the database: its hook runs again, "+from, "job", j.ID, "type", t.Name, "phase", j.Phase, "error", why)
	s.logs.note(j, j.Attempt(), fmt.Sprintf("the transaction of the job was lost with the connection to the database (%s): %s runs again, %s. It burns no attempt; what it did outside the database, such as requests, is done once more", why, j.Phase, from))
}

// whence is where a job's hook goes on when it runs again.
func whence(j *ClaimedJob) string {
	if p, err := parsePosition(j.Position); j.Checkpoints > 0 || err == nil && p.begun() {
		return "from its last checkpoint"
	}
	return "from its beginning"
}

// noteUnleased notes in the job's log that its hook that began then was ended because the
// server could not renew its lease.
func (s *Server) noteUnleased(j *ClaimedJob, began time.Duration) {
	if at := time.Duration(s.lapsed.Load()); at == 0 || at < began {
		return // it had ended before, or a test of a script plays a crash
	}
	why := "since the database was slow to answer, or the process or its machine stood still"
	if _, away := s.away.during(s.eng.clock.Boot() - s.opts.Lease); away {
		why = "since the database could not be used"
	}
	s.logs.note(j, j.Attempt(), fmt.Sprintf("server %s could not renew its lease in time, %s: %s was ended, and what it had not committed is taken back. The process goes on. It burns no attempt, and the job goes on, from its last checkpoint if it has one, on the next server that takes it", s.opts.Name, why, j.Phase))
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
