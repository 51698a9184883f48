package hostlib

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// sortMemory is how much of what is sorted is held in memory, in bytes; the rest waits
// in a temporary file, in sorted runs.
const sortMemory = 32 << 20

var iterSort = &Func{
	Name: "sort", Doc: "Sorts any number of elements, which are data (a tuple comes back as a list): what does not fit in 32 MB waits in a temporary file of up to 16 GB, which is gone with the hook, also if the process is killed. Equal ones stay in their order. Nothing is given before all is read. See iter.sorted for a list in memory; rows of a database are sorted best by ORDER BY.",
	Params: []Param{
		itParam,
		{Name: "key", Type: Any, Default: None, Named: true, Doc: "a function of an element, or a column of it; None: the element itself"},
		{Name: "reverse", Type: Bool, Default: false, Named: true, Doc: "True: the largest first"},
	},
	Returns: "iterator",
	Example: "[r[\"name\"] for r in iter.sort(csv.read(\"data/people.csv\"), key = \"name\", reverse = True)]  # [\"Grace\", \"Ada\"]",
	Lua:     "for r in iter.sort(csv.read(\"data/people.csv\"), {key = \"name\", reverse = true}) do\n  log.info(r.name)\nend",
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
	compare int // comparisons so far
}

// sortedValue is an element as it is stored, with its key.
type sortedValue struct {
	key Value
	raw []byte
}

// sortedRun is a part that is sorted: in the file, or the last one in memory.
type sortedRun struct {
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
		s.held, s.runs = nil, nil
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
		if s.bytes += len(raw) + each; s.bytes > s.most {
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
	for _, run := range s.runs {
		if run.list == nil {
			run.r = bufio.NewReaderSize(io.NewSectionReader(s.file, run.from, run.to-run.from), 32<<10)
		}
		if err := run.advance(); err != nil { // none is empty
			return err
		}
	}
	return nil
}

// less says whether a comes before b; equal ones do not.
func (s *sorting) less(a, b Value) (bool, error) {
	if s.compare++; s.compare%4096 == 0 {
		if err := s.c.over(); err != nil {
			return false, err
		}
	}
	n, err := compareValues(s.c, a, b)
	return n < 0 && !s.reverse || n > 0 && s.reverse, err
}

// order sorts what is held.
func (s *sorting) order() (failed error) {
	slices.SortStableFunc(s.held, func(a, b sortedValue) int {
		if failed != nil {
			return 0
		}
		for i, pair := range [2][2]Value{{a.key, b.key}, {b.key, a.key}} {
			before, err := s.less(pair[0], pair[1])
			if err != nil {
				failed = err
				return 0
			}
			if before {
				return 2*i - 1
			}
		}
		return 0
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
	if len(s.runs) == 0 {
		return nil, io.EOF
	}
	first := 0
	for i := 1; i < len(s.runs); i++ {
		before, err := s.less(s.runs[i].next.key, s.runs[first].next.key)
		if err != nil {
			return nil, err
		}
		if before {
			first = i
		}
	}
	run := s.runs[first]
	v, err := storedReader{bytes.NewReader(run.next.raw)}.value()
	if err != nil {
		return nil, err
	}
	switch err := run.advance(); {
	case err == io.EOF:
		s.runs = slices.Delete(s.runs, first, first+1)
	case err != nil:
		return nil, scratchError(err)
	}
	return v, nil
}
