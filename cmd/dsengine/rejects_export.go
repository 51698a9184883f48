package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// rejectsExportOptions say which rejects to write, and where.
type rejectsExportOptions struct {
	rejectSelection
	Format string
	To     string
}

func newRejectsExport(env *Env, g *globals) *cobra.Command {
	var o rejectsExportOptions
	c := &cobra.Command{
		Use:   "export",
		Short: "Write rejected rows to a file, oldest first",
		Long: `Write rejected rows to a file, or to standard output, oldest first: any number of them.

As JSON lines, each is an object as in rejects list -o json. As CSV, the row's own columns
stand beside _id, _job, _at, _state, _reason, _source and _line; a row that is no object,
and what does not fit into the first 1,000 columns, is JSON in _row. Where a row has a column
of such a name, these begin with one more _. Decimals and times in a row are text, bytes are
{"_bytes": base64}.`,
		Example: `  dsengine rejects export --type airports > rejects.jsonl
  dsengine rejects export --job 42 --format csv --to rejects.csv`,
		Args: argumentsBut("to"),
		RunE: func(c *cobra.Command, _ []string) error { return runRejectsExport(c.Context(), env, g, o) },
	}
	o.flags(c.Flags())
	o.openFlag(c.Flags())
	c.Flags().StringVar(&o.Format, "format", "jsonl", "`form` of the rows: jsonl or csv")
	c.Flags().StringVar(&o.To, "to", "", "`file` to write; it appears when it is complete (default, and -: standard output)")
	return c
}

func runRejectsExport(ctx context.Context, env *Env, g *globals, o rejectsExportOptions) (err error) {
	if o.Format != "jsonl" && o.Format != "csv" {
		return usage("there is no format %q: use jsonl or csv", o.Format)
	}
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return err
	}
	defer done()
	f, err := o.filter(ctx, eng)
	if err != nil {
		return err
	}
	e := &rejectExport{ctx: ctx, store: eng.Store(), f: f}
	rows := func(w io.Writer) error {
		e.w = w
		if o.Format == "csv" {
			return e.csv()
		}
		return e.jsonl()
	}
	if o.To == "" || o.To == "-" {
		w := bufio.NewWriter(env.Stdout)
		if err := rows(w); err != nil {
			return err
		}
		return w.Flush()
	}
	if err := writeWhole(env, "to", o.To, rows); err != nil {
		return err
	}
	env.say("%s written to %s", plural(e.n, "reject was", "rejects were"), o.To)
	return nil
}

// rejectExport writes rejects.
type rejectExport struct {
	ctx   context.Context
	store engine.Store
	f     engine.RejectFilter
	w     io.Writer
	n     int64
}

// each calls do for each reject.
func (e *rejectExport) each(f engine.RejectFilter, do func(*engine.Reject) error) error {
	var failed error
	err := e.store.Rejects(e.ctx, f, func(r *engine.Reject) bool {
		failed = do(r)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

func (e *rejectExport) jsonl() error {
	return e.each(e.f, func(r *engine.Reject) error {
		line, err := marshal(r)
		if err != nil {
			return err
		}
		e.n++
		_, err = e.w.Write(append(line, '\n'))
		return err
	})
}

// exportColumns bounds the columns of rows' own.
const exportColumns = 1000

// csv goes through the rejects twice: for the columns first.
func (e *rejectExport) csv() error {
	at := map[string]int{}
	var columns []string
	var last int64
	if err := e.each(e.f, func(r *engine.Reject) error {
		last = r.ID
		for _, c := range fieldsOf(r.Row) {
			if _, ok := at[c.name]; !ok && len(columns) < exportColumns {
				at[c.name] = len(columns)
				columns = append(columns, c.name)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	own := []string{"_id", "_job", "_at", "_state", "_reason", "_source", "_line", "_row"}
	for slices.ContainsFunc(own, func(name string) bool { return slices.Contains(columns, name) }) {
		for i := range own {
			own[i] = "_" + own[i]
		}
	}
	w := csv.NewWriter(e.w)
	if err := w.Write(append(slices.Clone(own), columns...)); err != nil {
		return err
	}
	cells := make([]string, len(own)+len(columns))
	err := e.each(e.f, func(r *engine.Reject) error {
		if r.ID > last {
			return nil // rejected since
		}
		clear(cells)
		cells[0], cells[1], cells[2], cells[3], cells[4], cells[5] = fmt.Sprint(r.ID), fmt.Sprint(r.Job), r.At.UTC().Format(time.RFC3339Nano), string(r.State), r.Reason, orEmpty(r.Source)
		if r.Line != nil {
			cells[6] = fmt.Sprint(*r.Line)
		}
		fields := fieldsOf(r.Row)
		whole := len(fields) > 0
		for _, f := range fields {
			if i, ok := at[f.name]; ok {
				cells[len(own)+i] = f.text
			} else {
				whole = false
			}
		}
		if !whole {
			cells[7] = string(r.Row)
		}
		e.n++
		return w.Write(cells)
	})
	if w.Flush(); err == nil {
		err = w.Error()
	}
	return err
}

// rejectField is a column of a row, as text: strings as they are, null as "",
// else JSON.
type rejectField struct{ name, text string }

// fieldsOf are the columns of a row, in its order; none if it is no object.
func fieldsOf(row engine.Raw) (fields []rejectField) {
	d := jsontext.NewDecoder(bytes.NewReader(row))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		f := rejectField{name: name.String()}
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		switch v.Kind() {
		case 'n':
		case '"':
			if json.Unmarshal(v, &f.text) != nil {
				return nil
			}
		default:
			f.text = string(v)
		}
		fields = append(fields, f)
	}
	return fields
}
