//go:build !race

package starscript_test

const raceDetector = false
