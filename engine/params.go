package engine

import (
	"context"
	"sync"
	"time"
)

// paramsCache keeps the instances that variables hold, for a while.
type paramsCache struct {
	mu sync.Mutex
	m  map[string]cachedInstances
}

func (p *paramsCache) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m = nil
}

type cachedInstances struct {
	at time.Duration
	in map[string]Instance
}

// params are the parameters of a type's instance, or nil. That they cannot be
// told is an error: a hook that goes on without them would do the wrong thing.
func (s *Server) params(ctx context.Context, t *Type, instance string) (Raw, error) {
	if instance == "" {
		return nil, nil
	}
	if t.Settings.InstancesVar == "" {
		return t.Settings.Instances[instance].Params, nil
	}
	now := s.eng.clock.Boot()
	p := &s.paramsOf
	p.mu.Lock()
	c, ok := p.m[t.Name]
	p.mu.Unlock()
	if !ok || now-c.at > instancesEvery {
		in, _, err := s.instances(ctx, t)
		switch CodeOf(err) {
		case "":
		case CodeNotFound, CodeUsage:
			return nil, &Failure{Kind: KindError, Code: "instances", Retryable: true, Message: err.Error(), Cause: err}
		}
		if err != nil {
			return nil, err
		}
		c = cachedInstances{now, in}
		p.mu.Lock()
		if p.m == nil {
			p.m = map[string]cachedInstances{}
		}
		p.m[t.Name] = c
		p.mu.Unlock()
	}
	return c.in[instance].Params, nil
}
