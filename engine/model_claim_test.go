package engine

// How the model claims.

// claimAny takes ready jobs: one or all of those that need not be alone, or one
// that must.
func (m *model) claimAny(s *modelState, v int) {
	var batch modelSet
	for j := range s.jobs {
		b := &s.jobs[j]
		if b.ready == 0 {
			continue
		}
		batch[j] = !b.alone || m.without == ruleAlone
		if !b.alone || s.busy(v) < modelSlots {
			m.claim(s, v, oneJob(j))
			m.look(s, v, oneJob(j))
		}
	}
	if batch.count() > 1 {
		m.claim(s, v, batch)
		m.look(s, v, batch)
	}
}

// look begins a claim where nothing is locked: between the read and the DELETE
// anything may happen.
func (m *model) look(s *modelState, v int, jobs modelSet) {
	if s.looks[v] != (modelLook{}) {
		return
	}
	n := *s
	for j, in := range jobs {
		if in {
			n.looks[v][j] = s.jobs[j].ready
		}
	}
	m.whim(modelStep{what: "{s} reads that {j} can be claimed", server: v, jobs: jobs}, &n)
}

// take deletes what was read, and claims it if all of it was there.
func (m *model) take(s *modelState, v int) {
	seen := s.looks[v]
	if seen == (modelLook{}) {
		return
	}
	n := *s
	n.looks[v] = modelLook{}
	var jobs modelSet
	all := true
	for j, e := range seen {
		if e == 0 {
			continue
		}
		jobs[j] = true
		there := s.jobs[j].ready
		all = all && there != 0 && (there == e || m.without == ruleDeleteEpoch)
	}
	if !all {
		m.fair(modelStep{what: "{s} finds that {j} are not there any more", server: v, jobs: jobs}, &n)
		return
	}
	m.claimAs(&n, v, jobs, seen)
}

// claim takes jobs. The answer may be lost: then the process does not know the
// claim.
func (m *model) claim(s *modelState, v int, jobs modelSet) {
	var rows modelLook
	for j := range jobs {
		rows[j] = s.jobs[j].ready
	}
	m.claimAs(s, v, jobs, rows)
}

// claimAs takes jobs of the epochs that were read.
func (m *model) claimAs(s *modelState, v int, jobs modelSet, rows modelLook) {
	c := s.unused()
	if c < 0 {
		return
	}
	step := modelStep{what: "{s} claims {j} as {c}", server: v, claim: c, jobs: jobs}
	n := *s
	k := &n.claims[c]
	k.row, k.known, k.server, k.listed, k.size = true, true, uint8(v), jobs, uint8(jobs.count())
	for j, in := range jobs {
		if b := &n.jobs[j]; in {
			if k.size > 1 && b.alone {
				step.broken = promiseAlone
			}
			k.epoch[j], k.stage[j] = rows[j], b.begin()
			b.ready, b.alone = 0, false
		}
	}
	m.fair(step, &n)
	step.what += ", and the answer to COMMIT is lost"
	k.forget()
	if m.without == ruleUnheard {
		k.known, k.unheard = true, true
	}
	m.fault(step, &n)
}
