package engine

// MaxGenerations is how deep items of items may go. Pages that are each emitted by the
// one before go deep, and each settles by itself, from the last one on; without an end
// they must be stopped.
const MaxGenerations = 10_000

// checkGenerations refuses to emit for an item that is too deep down: such items are
// made without end. Counting takes as many reads as there are generations, so one job
// in 1024 does, by its id; a chain that goes on meets such a job soon.
func (c *Call) checkGenerations() error {
	if c.job.Phase != PhaseConsume || c.job.Parent == 0 || c.counted {
		return nil
	}
	c.counted = true
	if uint64(c.job.ID)*0x9E3779B97F4A7C15>>54 != 0 {
		return nil
	}
	n, err := c.eng.store.Generations(c.ctx, c.job.ID, MaxGenerations)
	if err != nil {
		return err
	}
	if n < MaxGenerations {
		return nil
	}
	return &Failure{Kind: KindLimit, Message: tooDeep}
}

const tooDeep = "consume emits items, whose consume emits items again, and so on, for more than 10,000 generations: end that by a condition, or make the next job by ctx.enqueue, which has no parent that waits for it"
