package scripttest

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// kills are the runs of a test with a crash, and those beside which they are looked at.
type kills struct {
	w     *worker
	t     *test
	runs  map[way]*lived // those without a crash
	tried int            // crashes
	lives int            // of the test, so far
	room  int            // how many there may be
}

// lived is a run of a test.
type lived struct {
	*crash
	result *Result // nil: it has passed
}

// run runs the test in a way.
func (s *kills) run(ctx context.Context, how way) *lived {
	if l := s.runs[how]; l != nil {
		return l
	}
	s.lives++
	k := &crash{way: how}
	l := &lived{k, s.w.live(ctx, s.t, k)}
	if how.at == 0 {
		s.runs[how] = l
	}
	return l
}

// next is where a crash is tried behind one at a point: as far on as leaves room for all
// that are, evenly, if each takes as many runs as those before.
func (s *kills) next(point float64, points int) float64 {
	tries := float64(s.room-s.lives) / (float64(s.lives) / float64(s.tried))
	return point + max(1, (float64(points)-point)/max(tries, 0))
}

// holds says that the test has passed.
func (l *lived) holds() bool { return l.result == nil || len(l.result.Failures) == 0 }

// far is how many calls the test had made when the world was looked at; 0: all.
func (l *lived) far() int {
	if l.upto > 0 {
		return l.upto
	}
	return l.half
}

// upto is a run that is looked at when the test has made so many calls.
func (s *kills) upto(ctx context.Context, l *lived, calls int) *lived {
	if calls == l.far() {
		return l
	}
	how := l.way
	how.upto = calls
	return s.run(ctx, how)
}

// level has two runs be looked at as far as the one came that came less far.
func (s *kills) level(ctx context.Context, k, beside *lived) (*lived, *lived) {
	calls := k.far()
	if n := beside.far(); calls == 0 || n > 0 && n < calls {
		calls = n
	}
	return s.upto(ctx, k, calls), s.upto(ctx, beside, calls)
}

// at runs the test with a crash at a point; beside is a run without one that tells what
// is right. The job is taken over by another server, which works meanwhile what else is
// due. If all points are asked for, it is taken over by the only one there is, too.
func (s *kills) at(ctx context.Context, point int) (k, beside *lived) {
	s.tried++
	k, beside = s.judge(ctx, way{at: point})
	if s.w.suite.opts.Every && k.others && s.same(ctx, k, beside) {
		return s.judge(ctx, way{at: point, alone: true})
	}
	return k, beside
}

// judge runs the test with a crash. What is another by the time alone, since the test or
// a table has it in it, is none that the crash makes: it is so, too, where the hook merely
// begins as late as the job is taken over. Of what has times in part, such as that of a hook
// that goes on behind a checkpoint, there must be as much; and all must hold where the
// time stands still. If only the order is another then in which jobs ran, and what each of
// them found, the job is to be taken over before others.
func (s *kills) judge(ctx context.Context, how way) (k, beside *lived) {
	how.slow = true
	first := s.run(ctx, way{})
	k = s.run(ctx, how)
	if k.died == nil || k.began == 0 || s.same(ctx, k, first) {
		return k, first
	}
	late := s.run(ctx, way{late: k.began, slow: true, alone: how.alone})
	if !k.others && s.same(ctx, k, late) {
		return k, late
	}
	how.slow = false
	still := s.run(ctx, how)
	if !s.same(ctx, still, first) {
		if a, b := s.level(ctx, still, first); still.others && s.difference(ctx, a, b, counted, returned) == "" {
			return s.judge(ctx, way{at: how.at, alone: true})
		}
		return still, first
	}
	if !k.holds() && late.holds() {
		return k, late
	}
	a, b := s.level(ctx, k, late)
	one, later := s.level(ctx, first, late)
	timed := one.outcome.timed(later.outcome)
	if s.steady(ctx, a.outcome).shape(timed).difference(s.steady(ctx, b.outcome.without(a.loose)).shape(timed)) != "" {
		return &lived{a.crash, still.result}, b // it is not told by the test, which looks at the time
	}
	return still, first
}

// why is where the test holds at a point at which it does not; "": that is not known.
func (s *kills) why(ctx context.Context, k, beside *lived) string {
	switch {
	case beside.late > 0:
		return beside.later("")
	case k.others && s.run(ctx, way{at: k.at, alone: true}).holds():
		return "nothing else runs before the job is taken over"
	}
	return ""
}

// same says that both have passed, with the same outcome.
func (s *kills) same(ctx context.Context, k, beside *lived) bool {
	return k.holds() && beside.holds() && s.difference(ctx, k, beside) == ""
}

// difference is how the outcome after a crash is another, but for what is made at random,
// and what is loose.
func (s *kills) difference(ctx context.Context, k, beside *lived, loose ...string) string {
	loose = append(loose, k.loose...)
	is, whole := k.outcome.without(loose), beside.outcome.without(loose)
	if is.difference(whole) == "" {
		return ""
	}
	return s.steady(ctx, is).difference(s.steady(ctx, whole))
}

// steady is a picture but for what is made at random.
func (s *kills) steady(ctx context.Context, p picture) picture {
	return p.steady(s.run(ctx, way{}).outcome, s.run(ctx, way{dice: "others"}).outcome)
}

// sets is the line of a picture; of a request that replaces others it is what it replaces:
// their order counts.
func sets(what, line string) string {
	if parts := strings.SplitN(line, " ", 3); what == requested && replaces(parts[0]) {
		return parts[1]
	}
	return line
}

// unordered is what jobs may do in another order by right.
var unordered = []string{"jobs", returned, counted, requested, "mail", "rejects"}

// sorted is a text of a picture without the order of its lines, but for that of sets.
func sorted(what, text string) string {
	lines := strings.Split(text, "\n")
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(sets(what, a), sets(what, b)) })
	return strings.Join(lines, "\n")
}

// sorted is the picture without the order in which things were done.
func (p picture) sorted() picture {
	o := maps.Clone(p)
	for _, what := range unordered {
		if text := p[what]; text != "" {
			o[what] = sorted(what, text)
		}
	}
	return o
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
