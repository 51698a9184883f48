package main

import (
	"context"
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// failedItem is the item by which a job failed, be it one of an item of its own: the
// first of them that was emitted.
type failedItem struct {
	ID    engine.JobID     `json:"id"`
	Type  string           `json:"type"`
	Error *engine.JobError `json:"error"`
}

// itemPages bounds how many failed items are looked through for the first one, by
// pages of itemPage.
const (
	itemPages = 20
	itemPage  = 500
)

// jobLister lists jobs.
type jobLister interface {
	Jobs(ctx context.Context, f engine.JobFilter) ([]*engine.Job, error)
}

// firstFailed is the item by which a job failed; nil if it failed by itself.
func firstFailed(ctx context.Context, store jobLister, j *engine.Job) (*failedItem, error) {
	var first *engine.Job
	for of := j; of.Status == engine.StatusFailed && of.Children != nil && of.Children.Failed > 0 && (of.Error == nil || of.Error.Code == "items"); of = first {
		f := engine.JobFilter{Parent: of.ID, Status: engine.StatusFailed, Limit: itemPage}
		var last *engine.Job
		for page := 0; page < itemPages; page++ {
			list, err := store.Jobs(ctx, f)
			if err != nil {
				return nil, err
			}
			if len(list) > 0 {
				last = list[len(list)-1]
				f.Before = last.ID
			}
			if len(list) < f.Limit {
				break
			}
		}
		if last == nil {
			break
		}
		first = last
	}
	if first == nil {
		return nil, nil
	}
	return &failedItem{first.ID, first.Type, first.Error}, nil
}

// failureWords say more of how a job failed than its end does: where, or by which
// item, and what shows the others.
func failureWords(j *engine.Job, item *failedItem) (lines []string) {
	switch {
	case j.Status != engine.StatusFailed || j.Error == nil:
		return nil
	case item == nil:
		if at := places(j.Error.Backtrace); at != "" {
			lines = append(lines, "  at "+at)
		}
		return lines
	}
	if e := item.Error; e != nil {
		at := ""
		if p := places(e.Backtrace); p != "" {
			at = " (at " + p + ")"
		}
		lines = append(lines, fmt.Sprintf("  the first that failed is item %d (%s): %s%s", item.ID, clean(item.Type), clip(e.Message, 600), at))
	}
	return append(lines, fmt.Sprintf("  all that failed: dsengine jobs list --parent %d --status failed", j.ID))
}
