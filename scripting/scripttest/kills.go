package scripttest

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// kills are the runs of a test with a crash, and those beside which they are looked at.
type kills struct {
	w       *worker
	t       *test
	first   *lived
	another *lived         // with other dice; nil: nobody has asked
	late    map[int]*lived // in which a run of a hook begins late, by which
}

// lived is a run of a test.
type lived struct {
	*crash
	result *Result // nil: it has passed
}

// run runs the test.
func (s *kills) run(ctx context.Context, k *crash) *lived {
	return &lived{k, s.w.live(ctx, s.t, k)}
}

// holds says that the test has passed.
func (l *lived) holds() bool { return l.result == nil || len(l.result.Failures) == 0 }

// at runs the test with a crash at a point; beside is a run without one that tells
// what is right. The job is taken over as late as servers do. What is another by that
// alone, since the test or a table has the time in it, is none that a crash makes: it is
// so, too, where the hook merely begins that late. Of what has times in part, such as that
// of a hook that goes on behind a checkpoint, there must be as much; and all must hold
// where the time stands still.
func (s *kills) at(ctx context.Context, point int) (k, beside *lived) {
	k = s.run(ctx, &crash{at: point, slow: true})
	if k.died == nil || k.began == 0 || k.holds() && s.difference(ctx, k, s.first) == "" {
		return k, s.first
	}
	late := s.late[k.began]
	if late == nil {
		late = s.run(ctx, &crash{look: true, late: k.began})
		s.late[k.began] = late
	}
	if k.holds() && late.holds() && s.difference(ctx, k, late) == "" {
		return k, late
	}
	still := s.run(ctx, &crash{at: point})
	switch {
	case !late.holds() || !still.holds() || s.difference(ctx, still, s.first) != "":
	case !k.holds():
		return k, late
	case s.steady(ctx, k.outcome).shape().difference(s.steady(ctx, late.outcome.without(k.loose)).shape()) != "":
		return k, late
	}
	return still, s.first
}

// difference is how the outcome after a crash is another, but for what is made at random.
func (s *kills) difference(ctx context.Context, k, beside *lived) string {
	whole := beside.outcome.without(k.loose)
	if k.outcome.difference(whole) == "" {
		return ""
	}
	return s.steady(ctx, k.outcome).difference(s.steady(ctx, whole))
}

// steady is a picture but for what is made at random.
func (s *kills) steady(ctx context.Context, p picture) picture {
	if s.another == nil {
		if s.another = s.run(ctx, &crash{look: true, dice: "others"}); s.another.outcome == nil {
			s.another = s.first
		}
	}
	return p.steady(s.first.outcome, s.another.outcome)
}

// varying are what may be times, or parts of them, and hashes of what has them.
var varying = regexp.MustCompile(`\.\.\. \d+ lines|SHA-256 [0-9a-f]+|content [0-9a-f]+|\d+`)

// shape is how much there is of all, whatever its numbers are.
func (p picture) shape() picture {
	mask := func(text string) string {
		return varying.ReplaceAllStringFunc(text, func(s string) string {
			if strings.HasPrefix(s, "...") { // the number of lines that there are
				return s
			}
			return "#"
		})
	}
	all := map[string][]string{}
	for what, text := range p {
		is := mask(what)
		put := map[string]bool{}
		for line := range strings.SplitSeq(text, "\n") {
			if masked := mask(line); what != requested || !overwrites(put, line, masked) {
				all[is] = append(all[is], masked)
			}
		}
	}
	o := picture{}
	for what, lines := range all {
		slices.Sort(lines)
		o[what] = strings.Join(lines, "\n")
	}
	return o
}
