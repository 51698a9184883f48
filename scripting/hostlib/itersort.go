package hostlib

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"io"
	"slices"
)

// sortMemory is how much of what is sorted is held in memory, in bytes; the rest waits
// in a temporary file, in sorted runs. Tests want less.
var sortMemory = 32 << 20

var iterSort = &Func{
	Name: "sort", Doc: "Sorts any number of elements, which are data (a tuple comes back as a list): what does not fit in 32 MB waits in a temporary file of up to 16 GB, which is gone with the hook, also if the process is killed. Equal ones stay in their order. Nothing is given before all is read. See iter.sorted for a list in memory; rows of a database are sorted best by ORDER BY.",
	Params: []Param{
		itParam,
		{Name: "key", Type: Any, Default: None, Named: true, Doc: "a function of an element, or a column of it; None: the element itself"},
		{Name: "reverse", Type: Bool, Default: false, Named: true, Doc: "True: the largest first"},
	},
	Returns: "iterator",
	Example: "[r[\"name\"] for r in iter.sort(csv.read(\"data/people.csv\"), key = \"name\", reverse = True)]  # [\"Grace\", \"Ada\"]",
	Lua:     "list(iter.sort(csv.read(\"data/people.csv\"), {key = \"name\", reverse = true}))[1].name  -- \"Grace\"",
	Do: func(c *Call, a *Args) (Value, error) {
		key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
		if err != nil {
			return nil, err
		}
		return c.sort(a.Iterator("it"), key, a.Bool("reverse"), sortMemory), nil
	},
}

// sorting sorts more than fits in memory.
type sorting struct {
	c       *Call
	it      Iterator
	key     func(Value) (Value, error)
	reverse bool
	most    int // bytes that are held

	held    []sortedValue
	bytes   int
	file    scratch
	written int64
	runs    []*sortedRun
	merge   runHeap
	compare int // comparisons so far
}

// sortedValue is an element as it is stored, with its key.
type sortedValue struct {
	key Value
	raw []byte
}

// sortedRun is a part that is sorted: in the file, or the last one in memory.
type sortedRun struct {
	no       int
	from, to int64
	r        *bufio.Reader
	list     []sortedValue
	next     sortedValue
}

func (c *Call) sort(it Iterator, key func(Value) (Value, error), reverse bool, most int) Iterator {
	s := &sorting{c: c, it: it, key: key, reverse: reverse, most: most}
	read := false
	out := c.derived("iter.sort", func() (Value, error) {
		if !read {
			if err := s.readAll(); err != nil {
				return nil, err
			}
			read = true
		}
		return s.next()
	}, it).(*source)
	out.close = func() error {
		s.held, s.runs, s.merge.runs = nil, nil, nil
		if s.file.File == nil {
			return nil
		}
		f := s.file
		s.file = scratch{}
		return f.Close()
	}
	c.keep(out)
	return out
}

// readAll reads the elements, and sorts them in runs.
func (s *sorting) readAll() error {
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := s.c.over(); err != nil {
				return err
			}
		}
		v, err := s.it.Next()
		if isEOF(err) {
			break
		}
		if err != nil {
			return err
		}
		if v, err = s.c.Lang.Native(v); err != nil {
			return err
		}
		k, err := s.key(v)
		if err == nil {
			k, err = s.c.Lang.Data(k)
		}
		if err != nil {
			return err
		}
		if v, err = s.c.Lang.Data(v); err != nil {
			return err
		}
		raw, err := appendStored(nil, v)
		if err != nil {
			return err
		}
		const each = 100 // what one takes besides
		s.held = append(s.held, sortedValue{k, raw})
		if s.bytes += len(raw) + heldBytes(k) + each; s.bytes > s.most {
			if err := s.spill(); err != nil {
				return err
			}
		}
	}
	if err := s.order(); err != nil {
		return err
	}
	if len(s.held) > 0 {
		s.runs = append(s.runs, &sortedRun{list: s.held})
	}
	s.held = nil
	for no, run := range s.runs {
		run.no = no
		if run.list == nil {
			run.r = bufio.NewReaderSize(io.NewSectionReader(s.file, run.from, run.to-run.from), 32<<10)
		}
		if err := run.advance(); err != nil { // none is empty
			return err
		}
	}
	s.merge = runHeap{s: s, runs: s.runs}
	heap.Init(&s.merge)
	return nil
}

// heldBytes is about what data takes in memory.
func heldBytes(v Value) (n int) {
	switch v := v.(type) {
	case string:
		return 16 + len(v)
	case []byte:
		return 24 + len(v)
	case []Value:
		for _, e := range v {
			n += 16 + heldBytes(e)
		}
		return n + 24
	case *Dict:
		for i, name := range v.Names {
			n += 32 + len(name) + heldBytes(v.Values[i])
		}
		return n + 48
	case Decimal:
		return 64 + int(v.d.NumDigits())/2
	}
	return 16
}

// comparing compares keys as they are to come.
func (s *sorting) comparing(a, b Value) (int, error) {
	if s.compare++; s.compare%4096 == 0 {
		if err := s.c.over(); err != nil {
			return 0, err
		}
	}
	n, err := compareValues(s.c, a, b)
	if s.reverse {
		n = -n
	}
	return n, err
}

// runHeap has the run first whose next element comes first; the earliest of equal ones.
type runHeap struct {
	s      *sorting
	runs   []*sortedRun
	failed error
}

func (h *runHeap) Len() int      { return len(h.runs) }
func (h *runHeap) Swap(i, j int) { h.runs[i], h.runs[j] = h.runs[j], h.runs[i] }

func (h *runHeap) Less(i, j int) bool {
	if h.failed != nil {
		return false
	}
	a, b := h.runs[i], h.runs[j]
	n, err := h.s.comparing(a.next.key, b.next.key)
	h.failed = err
	return n < 0 || n == 0 && a.no < b.no
}

func (h *runHeap) Push(x any) { h.runs = append(h.runs, x.(*sortedRun)) }

func (h *runHeap) Pop() any {
	last := h.runs[len(h.runs)-1]
	h.runs[len(h.runs)-1] = nil
	h.runs = h.runs[:len(h.runs)-1]
	return last
}

// order sorts what is held.
func (s *sorting) order() (failed error) {
	slices.SortStableFunc(s.held, func(a, b sortedValue) int {
		if failed != nil {
			return 0
		}
		n, err := s.comparing(a.key, b.key)
		failed = err
		return n
	})
	return failed
}

// spill puts what is held into the file, as a run.
func (s *sorting) spill() error {
	if err := s.order(); err != nil {
		return err
	}
	if s.file.File == nil {
		f, err := newScratch()
		if err != nil {
			return err
		}
		s.file = f
	}
	run := &sortedRun{from: s.written}
	w := bufio.NewWriterSize(onDisk{s.file.File}, 256<<10)
	var b []byte
	for _, v := range s.held {
		var err error
		if b, err = appendStored(b[:0], v.key); err != nil {
			return err
		}
		b = append(binary.AppendUvarint(b, uint64(len(v.raw))), v.raw...)
		s.written += int64(len(b))
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if s.written > maxSpool {
		return Errorf("file.size", "the elements take more than %d bytes, which are too many for a temporary file: sort them in the database, by ORDER BY", int64(maxSpool))
	}
	run.to = s.written
	s.runs = append(s.runs, run)
	clear(s.held)
	s.held, s.bytes = s.held[:0], 0
	return nil
}

// advance takes the run's next element; io.EOF if there is none.
func (run *sortedRun) advance() error {
	if run.r == nil {
		if len(run.list) == 0 {
			return io.EOF
		}
		run.next, run.list = run.list[0], run.list[1:]
		return nil
	}
	s := storedReader{run.r}
	key, err := s.value()
	if err != nil {
		return err
	}
	raw, err := s.text()
	run.next = sortedValue{key, []byte(raw)}
	return err
}

// next is the first of what the runs have next; the earliest run's, of equal ones.
func (s *sorting) next() (Value, error) {
	if s.merge.failed != nil {
		return nil, s.merge.failed
	}
	if s.merge.Len() == 0 {
		return nil, io.EOF
	}
	run := s.merge.runs[0]
	v, err := storedReader{bytes.NewReader(run.next.raw)}.value()
	if err != nil {
		return nil, err
	}
	switch err := run.advance(); {
	case err == io.EOF:
		heap.Pop(&s.merge)
	case err != nil:
		return nil, scratchError(err)
	default:
		heap.Fix(&s.merge, 0)
	}
	return v, nil
}
