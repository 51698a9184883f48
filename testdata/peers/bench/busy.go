package main

import (
	"strconv"
	"strings"
	"time"
)

// busy is the share of the processors' time that was used in the half second
// that it takes; 0 where that cannot be told. Before a drain, while nothing of
// this command works, it tells how much others disturb it.
func busy() float64 {
	idle0, all0 := processorTime()
	time.Sleep(500 * time.Millisecond)
	idle1, all1 := processorTime()
	if all1 == all0 {
		return 0
	}
	return 1 - float64(idle1-idle0)/float64(all1-all0)
}

// processorTime is how long the processors have been idle, and in all, since
// the machine started.
func processorTime() (idle, all int64) {
	line, _, _ := strings.Cut(readFile("/proc/stat"), "\n")
	for i, field := range strings.Fields(line) {
		t, err := strconv.ParseInt(field, 10, 64)
		if err != nil || i > 8 { // the name; times of guests, which are counted before
			continue
		}
		if all += t; i == 4 || i == 5 { // idle, waiting for a disk
			idle += t
		}
	}
	return idle, all
}
