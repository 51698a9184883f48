package luascript

func watch(r *run)   {}
func unwatch(r *run) {}

// tooLarge says why a script must end that takes too much memory.
func (r *run) tooLarge() error { return nil }
