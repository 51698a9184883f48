package engine

import (
	"context"
	"testing"
)

func TestSolo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s := newSolo()
	first, second := s.enter(ctx, false), s.enter(ctx, false)
	alone := make(chan func())
	go func() { alone <- s.enter(ctx, true) }()
	for len(s.door) == 0 { // it waits for those two
		s.left <- struct{}{}
	}
	given, stop := context.WithCancel(ctx)
	stop()
	if s.enter(given, false) != nil {
		t.Error("a hook began while one waits to run alone")
	}
	first()
	select {
	case <-alone:
		t.Fatal("it runs alone beside another")
	default:
	}
	second()
	leave := <-alone
	if s.enter(given, false) != nil {
		t.Error("a hook began beside one that runs alone")
	}
	leave()
	last := s.enter(ctx, false)
	go func() { alone <- s.enter(ctx, true) }()
	cancel()
	if <-alone != nil {
		t.Error("it runs alone beside another, after the end")
	}
	last()
	if leave := s.enter(context.Background(), true); leave == nil || len(s.door) == 0 {
		t.Error("who gave up waiting still has the door")
	}
}
