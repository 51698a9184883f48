package scripttest

import (
	"os"

	"github.com/dsengine/dsengine/engine"
)

// Targets are the files that paths name, by their paths below the jobs folder:
// scripts, files of tests, folders, globs, names of job types; for a script its
// tests too. No path names all.
func Targets(jobs string, paths []string) (map[string]bool, error) {
	root, err := os.OpenRoot(jobs)
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUsage, err, "open the jobs folder %q", jobs)
	}
	defer root.Close()
	return targets(root, Options{Jobs: jobs, Paths: paths})
}
