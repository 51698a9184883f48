package engine

import (
	"crypto/sha256"
	"time"
)

// UniqueMode says while when a key counts as taken.
type UniqueMode uint8

// The modes of a key.
const (
	UniqueActive  UniqueMode = iota // while its job is not final; the default
	UniqueWaiting                   // while its job has not started
	UniqueFor                       // while its job is not final, and for a time after it completed
	UniqueForever                   // for ever; of a job that did not complete, for as long as that is kept
)

// Unique is a mode, with its time for UniqueFor.
type Unique struct {
	Mode UniqueMode
	For  time.Duration
}

// ParseUnique reads a mode as scripts and flags write it: "active", "waiting",
// "forever" or a duration such as "30d"; "" is "active".
func ParseUnique(s string) (Unique, error) {
	switch s {
	case "", "active":
		return Unique{}, nil
	case "waiting":
		return Unique{Mode: UniqueWaiting}, nil
	case "forever":
		return Unique{Mode: UniqueForever}, nil
	}
	d, err := ParseDuration(s)
	if err != nil || d < time.Second {
		return Unique{}, Errorf(CodeUsage, "unique must be \"active\", \"waiting\", \"forever\" or a time of at least a second such as \"30d\", not %q", s)
	}
	return Unique{Mode: UniqueFor, For: d}, nil
}

// String is the mode as ParseUnique reads it.
func (u Unique) String() string {
	switch u.Mode {
	case UniqueWaiting:
		return "waiting"
	case UniqueForever:
		return "forever"
	case UniqueFor:
		return FormatDuration(u.For)
	}
	return "active"
}

// MaxKeyLen is the longest key, in bytes.
const MaxKeyLen = 255

// KeyHash is how the database knows a key: by 20 bytes of the SHA-256 of
// instance and key. Keys of two types, or of two instances, never meet.
func KeyHash(instance, key string) [20]byte {
	sum := sha256.Sum256([]byte(instance + "\x00" + key))
	return [20]byte(sum[:20])
}
