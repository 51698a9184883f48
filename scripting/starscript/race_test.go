//go:build race

package starscript_test

// raceDetector maps more memory than a limit for it could allow.
const raceDetector = true
