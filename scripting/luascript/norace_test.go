//go:build !race

package luascript_test

const raceDetector = false
