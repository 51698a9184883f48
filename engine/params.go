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

type cachedInstances struct {
	at time.Duration
	in map[string]Instance
}

// params are the parameters of a type's instance, or nil.
func (s *Server) params(t *Type, instance string) Raw {
	if instance == "" {
		return nil
	}
	if t.Settings.InstancesVar == "" {
		return t.Settings.Instances[instance].Params
	}
	now := s.eng.clock.Boot()
	s.paramsOf.mu.Lock()
	defer s.paramsOf.mu.Unlock()
	c, ok := s.paramsOf.m[t.Name]
	if !ok || now-c.at > instancesEvery {
		ctx, cancel := context.WithTimeout(context.Background(), s.opts.Lease)
		defer cancel()
		if in, err := s.instances(ctx, t); err == nil {
			c = cachedInstances{now, in}
		}
		if s.paramsOf.m == nil {
			s.paramsOf.m = map[string]cachedInstances{}
		}
		s.paramsOf.m[t.Name] = c
	}
	return c.in[instance].Params
}
