//go:build !unix

package luascript

// addressLimit is how much of addresses the process may have; 0: nothing bounds it.
func addressLimit() (uint64, error) { return 0, nil }
