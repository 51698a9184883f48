package engine

import (
	"fmt"
	"slices"
	"strings"
)

// LeftOut counts items and jobs that were not made because their keys belong to
// jobs that failed or were cancelled: what they stand for was never done, and is
// not, until somebody retries those jobs or they are pruned.
type LeftOut struct {
	Items   int64       `json:"items"`   // of Jobs, those that were to be items
	Jobs    int64       `json:"jobs"`    // in all
	Holders []KeyHolder `json:"holders"` // the first ones that have the keys
}

// namedHolders bounds how many holders are kept.
const namedHolders = 100

// add notes a job that is not made, where that is worth telling.
func (l *LeftOut) add(h KeyHolder, item bool) {
	if h.Status != StatusFailed && h.Status != StatusCancelled {
		return
	}
	if l.Jobs++; item {
		l.Items++
	}
	l.name(h)
}

func (l *LeftOut) name(h KeyHolder) {
	if len(l.Holders) < namedHolders && !slices.ContainsFunc(l.Holders, func(x KeyHolder) bool { return x.Job == h.Job }) {
		// A catch around the hook may want the old list back.
		l.Holders = append(slices.Clip(l.Holders), h)
	}
}

// merge adds another count.
func (l *LeftOut) merge(o *LeftOut) {
	l.Items, l.Jobs = l.Items+o.Items, l.Jobs+o.Jobs
	for _, h := range o.Holders {
		l.name(h)
	}
}

// saidHolders is how many holders String names.
const saidHolders = 5

// String says what was left out, why, and what to do.
func (l *LeftOut) String() string {
	what := "job"
	if l.Items == l.Jobs {
		what = "item"
	}
	said := l.Holders[:min(len(l.Holders), saidHolders)]
	ids, words := make([]string, len(said)), []string{}
	for _, s := range []struct {
		status     Status
		one, other string
	}{{StatusFailed, "which failed", "failed"}, {StatusCancelled, "which was cancelled", "cancelled"}} {
		var list []string
		for _, h := range said {
			if h.Status == s.status {
				list = append(list, fmt.Sprint(h.Job))
			}
		}
		switch {
		case len(list) == 0:
		case len(l.Holders) == 1:
			words = append(words, "job "+list[0]+", "+s.one+", has")
		default:
			words = append(words, strings.Join(list, ", ")+" ("+s.other+")")
		}
	}
	for i, h := range said {
		ids[i] = fmt.Sprint(h.Job)
	}
	retry := "dsengine jobs retry " + strings.Join(ids, " ")
	if len(l.Holders) == 1 {
		if l.Jobs == 1 {
			return fmt.Sprintf("1 %s was left out: %s its key: %s", what, words[0], retry)
		}
		return fmt.Sprintf("%d %ss were left out: %s their keys: %s", l.Jobs, what, words[0], retry)
	}
	more := ""
	if len(l.Holders) > len(said) {
		more = " and others"
	}
	return fmt.Sprintf("%d %ss were left out: jobs %s%s have their keys: %s", l.Jobs, what, strings.Join(words, " and "), more, retry)
}
