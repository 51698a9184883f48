package sqlitestore

import (
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/dsengine/dsengine/engine"
)

// current are the words for the time, and what they are.
var current = map[string]typKind{"CURRENT_TIMESTAMP": typTimestamp, "CURRENT_DATE": typDate, "CURRENT_TIME": typTime}

// SQLite asks a VFS for the time. For each clock that is not the machine's there is one
// that is the default in all else; there are few of them, and they stay.
var timed struct {
	sync.RWMutex
	names  map[engine.Clock]string
	clocks map[uintptr]engine.Clock // by the VFS
}

// clockParam is what of a data source's name has SQLite know the time of a clock.
func clockParam(clock engine.Clock) (string, error) {
	if _, own := clock.(engine.SystemClock); own {
		return "", nil
	}
	timed.Lock()
	defer timed.Unlock()
	if timed.names[clock] == "" {
		name := fmt.Sprintf("dsengine-clock-%d", len(timed.names)+1)
		vfs, err := timedVFS(name)
		if err != nil {
			return "", err
		}
		if timed.names == nil {
			timed.names, timed.clocks = map[engine.Clock]string{}, map[uintptr]engine.Clock{}
		}
		timed.names[clock], timed.clocks[vfs] = name, clock
	}
	return "&vfs=" + timed.names[clock], nil
}

// timedVFS makes a VFS that asks currentTime for the time.
func timedVFS(name string) (uintptr, error) {
	tls := libc.NewTLS()
	defer tls.Close()
	vfs, of := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{}))), lib.Xsqlite3_vfs_find(tls, 0)
	text, err := libc.CString(name)
	if err != nil || vfs == 0 || of == 0 {
		return 0, fmt.Errorf("make a clock for SQLite: %v", err)
	}
	made := pointed[lib.Tsqlite3_vfs](vfs)
	*made = *pointed[lib.Tsqlite3_vfs](of)
	made.FzName, made.FpNext = text, 0
	fn := struct {
		f func(tls *libc.TLS, vfs, out uintptr) int32
	}{currentTime}
	made.FxCurrentTimeInt64 = *(*uintptr)(unsafe.Pointer(&fn))
	if code := lib.Xsqlite3_vfs_register(tls, vfs, 0); code != lib.SQLITE_OK {
		return 0, fmt.Errorf("make a clock for SQLite: code %d", code)
	}
	return vfs, nil
}

// currentTime is xCurrentTimeInt64: milliseconds since the beginning of Julian days.
func currentTime(_ *libc.TLS, vfs, out uintptr) int32 {
	const unixEpoch = 210866760000000
	timed.RLock()
	clock := timed.clocks[vfs]
	timed.RUnlock()
	*pointed[int64](out) = clock.Now().UnixMilli() + unixEpoch
	return lib.SQLITE_OK
}

// pointed is what is at an address that is SQLite's.
func pointed[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }
