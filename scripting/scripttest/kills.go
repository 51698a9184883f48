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
	tried   int            // crashes
	runs    int            // of the test, so far
	room    int            // how many there may be
}

// lived is a run of a test.
type lived struct {
	*crash
	result *Result // nil: it has passed
}

// run runs the test.
func (s *kills) run(ctx context.Context, k *crash) *lived {
	s.runs++
	return &lived{k, s.w.live(ctx, s.t, k)}
}

// next is where a crash is tried behind one at a point: as far on as leaves room for all
// that are, evenly, if each takes as many runs as those before.
func (s *kills) next(point float64, points int) float64 {
	tries := float64(s.room-s.runs) / (float64(s.runs) / float64(s.tried))
	return point + max(1, (float64(points)-point)/max(tries, 0))
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
	s.tried++
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
	default:
		timed := s.first.outcome.timed(late.outcome)
		if s.steady(ctx, k.outcome).shape(timed).difference(s.steady(ctx, late.outcome.without(k.loose)).shape(timed)) != "" {
			return k, late
		}
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

// varying are what may be times, or parts of them, and hashes of texts that have them.
var varying = regexp.MustCompile(`\.\.\. \d+ lines|SHA-256 [0-9a-f]+|content [0-9a-f]+|\d+`)

// unvaried is a text but for its numbers.
func unvaried(text string) string {
	return varying.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasPrefix(s, "...") { // the number of lines that there are
			return s
		}
		return "#"
	})
}

// word is what has no space in it and may be made of a time, such as a hash.
var word = regexp.MustCompile(`[\w#+/=-]+`)

// timed are the words, but for their numbers, that are others when a hook begins later:
// hashes of the time, names of days.
func (p picture) timed(late picture) map[string]bool {
	words := func(p picture) map[string]bool {
		all := map[string]bool{}
		for what, text := range p {
			for _, w := range word.FindAllString(unvaried(what+" "+text), -1) {
				all[w] = true
			}
		}
		return all
	}
	timed, others := words(p), words(late)
	for w := range others {
		if timed[w] {
			delete(timed, w)
		} else {
			timed[w] = true
		}
	}
	return timed
}

// shape is how much there is of all, whatever its numbers are, and the words that the
// time makes.
func (p picture) shape(timed map[string]bool) picture {
	mask := func(text string) string {
		return word.ReplaceAllStringFunc(unvaried(text), func(w string) string {
			if timed[w] {
				return "#"
			}
			return w
		})
	}
	all := map[string][]string{}
	for what, text := range p {
		is := mask(what)
		put := map[string]bool{}
		for line := range strings.SplitSeq(text, "\n") {
			if parts := strings.SplitN(line, " ", 3); what == requested && replaces(parts[0]) {
				once := strings.Join(parts[:2], " ") + mask(strings.Join(parts[2:], ""))
				if put[once] { // it replaces what was put there before
					continue
				}
				put[once] = true
			}
			all[is] = append(all[is], mask(line))
		}
	}
	o := picture{}
	for what, lines := range all {
		slices.Sort(lines)
		o[what] = strings.Join(lines, "\n")
	}
	return o
}
