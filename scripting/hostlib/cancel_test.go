package hostlib

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The time that a document takes must not go with the square of its prefixes.
func TestManyPrefixesTakeNoLonger(t *testing.T) {
	t.Parallel()
	const n = 200_000
	var b strings.Builder
	b.WriteString("<r")
	for i := range n {
		fmt.Fprintf(&b, " xmlns:p%d='u%d'", i, i%7)
	}
	b.WriteString(">")
	for i := range n {
		fmt.Fprintf(&b, "<p%d:e xmlns:p%d='inner'/><p%d:f/>", i, i, i)
	}
	b.WriteString("</r>")
	begun := time.Now()
	root, err := XMLDocument(b.String())
	if err != nil || len(root.kids) != 2*n {
		t.Fatalf("%v", err)
	}
	for i := range n { // what an element declares is over at its end
		if e, f := root.kids[2*i].node, root.kids[2*i+1].node; e.space != "inner" || f.space != fmt.Sprintf("u%d", i%7) {
			t.Fatalf("element %d: got %q and %q", i, e.space, f.space)
		}
	}
	if took := time.Since(begun); took > time.Minute { // it was many minutes
		t.Errorf("it took %s", took)
	}
}

// cancelled is a context that ends when it is asked for the n-th time.
type cancelled struct {
	context.Context
	n, asked int
}

func (c *cancelled) Err() error {
	if c.asked++; c.asked > c.n {
		return context.Canceled
	}
	return nil
}

func TestALongElementIsNotReadOnWhenTheHookMustEnd(t *testing.T) {
	t.Parallel()
	text := "<r>" + strings.Repeat("<e/>", 1_000_000) + "</r>"
	ctx := &cancelled{Context: context.Background(), n: 10}
	in, err := (&Call{Loading: ctx}).inputFrom("the text", strings.NewReader(text), nil, "utf-8")
	if err != nil {
		t.Fatal(err)
	}
	in.r.Peek(1)
	r := newXMLReader(in, true, nil, maxXMLText)
	if _, err := r.document(); !errors.Is(err, context.Canceled) && err != context.Cause(ctx) {
		t.Fatalf("got %v", err)
	}
	if r.n > 10*inputBuffer/4 {
		t.Errorf("%d elements were read", r.n)
	}
}

// A search of a long text cannot be stopped, but the hook that waits for it can.
func TestASearchIsLeftWhenTheHookMustEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &Call{Loading: ctx}
	short := &pattern{steps: leastSteps}
	long := strings.Repeat("x", searchAlone/leastSteps)
	why := errors.New("time is over")
	entered, release := make(chan bool), make(chan bool)
	go func() {
		<-entered
		cancel(why)
	}()
	_, err := searched(c, short, long, func() int { entered <- true; <-release; return 1 })
	close(release)
	if err != why {
		t.Errorf("got %v", err)
	}
	if got, err := searched(c, short, long, func() int { return 1 }); err != nil && err != why || err == nil && got != 1 {
		t.Errorf("got %d, %v", got, err)
	}
	if got, err := searched(&Call{}, short, long, func() int { return 2 }); got != 2 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := searched(&Call{}, short, long, func() int { panic("x") }); err == nil || !strings.Contains(err.Error(), "re: a fault of dsengine itself: x") {
		t.Errorf("got %v", err)
	}
	for _, f := range []func(c *Call, p *pattern) (Value, error){
		func(c *Call, p *pattern) (Value, error) { return p.first(c, anywhere, long) },
		func(c *Call, p *pattern) (Value, error) { return p.findAll(c, long) },
		func(c *Call, p *pattern) (Value, error) {
			it, err := p.iterate(c, long)
			if err != nil {
				return nil, err
			}
			return it.(Iterator).Next()
		},
		func(c *Call, p *pattern) (Value, error) { return p.split(c, long, 0) },
	} {
		p, err := compile("y")
		if err != nil {
			t.Fatal(err)
		}
		// While all places are taken, a search waits, and can be left too.
		for range cap(searches) {
			searches <- struct{}{}
		}
		_, err = f(c, p)
		for range cap(searches) {
			<-searches
		}
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	}
}

// How long a text may be for a hook to wait for the search depends on the expression.
func TestALargeExpressionIsSearchedAlone(t *testing.T) {
	t.Parallel()
	p, err := compile(`(?:(?:\pL{1,40}x){1,20}y){1,1}`)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 32<<10)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("time is over")
	cancel(why)
	if _, err := p.first(&Call{Loading: ctx}, anywhere, text); err != why {
		t.Errorf("%d steps for a byte: got %v", p.steps, err)
	}
	short, err := compile("y")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := short.first(&Call{Loading: ctx}, anywhere, text); err != nil {
		t.Errorf("%d steps for a byte: got %v", short.steps, err)
	}
}

// All matches are found, however many there are, and no more than are asked for.
func TestManyMatchesAreFoundInSteps(t *testing.T) {
	t.Parallel()
	p, err := compile("x")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 4095, 4096, 4097, 40_000} {
		text := strings.Repeat("x", n)
		for limit, want := range map[int]int{-1: n, 1: min(n, 1), 4096: min(n, 4096), 5000: min(n, 5000)} {
			got, err := p.all(&Call{}, text, limit)
			if err != nil || len(got) != want {
				t.Errorf("%d matches, %d wanted: got %d, %v", n, limit, len(got), err)
			}
		}
	}
}

// A long JSON text is not read on when the hook must end.
func TestALongTextOfJSONIsNotReadOnWhenTheHookMustEnd(t *testing.T) {
	t.Parallel()
	text := "[" + strings.Repeat("1,", 1_000_000) + "1]"
	d := (&Call{Loading: &cancelled{Context: context.Background(), n: 10}}).decoderOf(false)
	if _, err := d.Decode([]byte(text)); err == nil || d.steps > 20*decoderSteps {
		t.Errorf("after %d values: %v", d.steps, err)
	}
}
