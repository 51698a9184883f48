package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const (
	// shown is how many rows of a kind are shown of a table.
	shown = 5
	// looked is how many rows of a table are looked up before and after a write, to
	// show what becomes of them.
	looked = 500
	// ahead is how many of one write are.
	ahead = 50
)

// Row is a row that would be written, or deleted.
type Row struct {
	What   string         `json:"what"` // inserted, updated or deleted
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
	names  []string       // the columns in the table's order
	key    []string
}

// Names are the row's columns, in their order: of an updated row those of its key,
// and those that are different.
func (r *Row) Names() []string {
	if r.What != "updated" {
		return r.names
	}
	return slices.DeleteFunc(slices.Clone(r.names), func(n string) bool {
		return !slices.ContainsFunc(r.key, func(k string) bool { return strings.EqualFold(k, n) }) && reflect.DeepEqual(r.Before[n], r.After[n])
	})
}

// Table is what would become of a table.
type Table struct {
	Connection string       `json:"connection,omitempty"` // "": the job database
	Name       string       `json:"name"`
	Creates    string       `json:"creates,omitempty"` // the columns, if it is missing and would be made
	Stats      engine.Stats `json:"stats"`             // inserted, updated, unchanged, deleted, skipped
	Rows       []Row        `json:"rows"`              // the first few
	AlsoBySQL  bool         `json:"also_by_sql"`       // statements have changed rows of it, too, which may be these
	lookups    int
}

// Statement is SQL that was run, as it is written.
type Statement struct {
	Connection string `json:"connection,omitempty"`
	SQL        string `json:"sql"`
	Writes     bool   `json:"writes"`
	Times      int64  `json:"times"`
	Rows       int64  `json:"rows"` // that it touched; of what writes
}

// changes says whether the statement has changed rows of a table, as far as its words tell.
func (s *Statement) changes(t *Table) bool {
	if !s.Writes || s.Rows == 0 || s.Connection != t.Connection {
		return false
	}
	name := strings.ToLower(t.Name[strings.LastIndexByte(t.Name, '.')+1:])
	return slices.Contains(strings.FieldsFunc(strings.ToLower(s.SQL), func(r rune) bool { return strings.ContainsRune(" .,;()=<>'\"`[]", r) }), name)
}

// changes are what hooks have written. They are added up.
type changes struct {
	tables     []*Table
	statements []*Statement
	sources    []*Source
}

// maxStatements bounds how many different statements are noted.
const maxStatements = 200

func (c *changes) table(connection, name string) *Table {
	for _, t := range c.tables {
		if t.Connection == connection && strings.EqualFold(t.Name, name) {
			return t
		}
	}
	t := &Table{Connection: connection, Name: name, Stats: engine.Stats{}, Rows: []Row{}}
	c.tables = append(c.tables, t)
	return t
}

func (c *changes) statement(connection, sql string, writes bool, rows int64) {
	c.run(Statement{Connection: connection, SQL: strings.Join(strings.Fields(sql), " "), Writes: writes, Times: 1, Rows: rows})
}

func (c *changes) run(s Statement) {
	for _, o := range c.statements {
		if o.Connection == s.Connection && o.SQL == s.SQL {
			o.Times += s.Times
			o.Rows += s.Rows
			return
		}
	}
	if len(c.statements) < maxStatements {
		c.statements = append(c.statements, &s)
	}
}

// add adds what was changed later.
func (c *changes) add(o *changes) {
	for _, t := range o.tables {
		mine := c.table(t.Connection, t.Name)
		if mine.Creates == "" {
			mine.Creates = t.Creates
		}
		mine.Stats.Add(t.Stats)
		mine.lookups += t.lookups
		for _, r := range t.Rows {
			mine.show(r)
		}
	}
	for _, s := range o.statements {
		c.run(*s)
	}
	for _, s := range o.sources {
		c.record(s.Source, false, false)
		for _, mine := range c.sources {
			if mine.Source == s.Source {
				mine.Taken += s.Taken
				mine.Forgotten += s.Forgotten
			}
		}
	}
}

// wants says whether a row of a kind would be shown.
func (t *Table) wants(what string) bool {
	n := 0
	for i := range t.Rows {
		if t.Rows[i].What == what {
			n++
		}
	}
	return n < shown
}

func (t *Table) show(r Row) {
	if t.wants(r.What) {
		t.Rows = append(t.Rows, r)
	}
}

// creates writes what a table would be made of.
func creates(columns []engine.Column, key []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = c.Name + " " + c.Type
	}
	if len(key) > 0 {
		parts = append(parts, "key "+strings.Join(key, ", "))
	}
	return strings.Join(parts, ", ")
}

// peeked is a source of which the first rows were read already.
type peeked struct {
	first []engine.Row
	then  error // what came after them; nil: the rest of rows
	rows  engine.RowSource
}

func (p *peeked) Next(ctx context.Context) (engine.Row, error) {
	if len(p.first) > 0 {
		r := p.first[0]
		p.first = p.first[1:]
		return r, nil
	}
	if p.then != nil {
		return engine.Row{}, p.then
	}
	return p.rows.Next(ctx)
}

// peekedRejecter is one that takes rows back, too.
type peekedRejecter struct {
	*peeked
	to engine.Rejecter
}

func (p *peekedRejecter) Reject(ctx context.Context, row engine.Row, why *engine.Failure) error {
	return p.to.Reject(ctx, row, why)
}

// source is what is left to be written.
func (p *peeked) source() engine.RowSource {
	if to, ok := p.rows.(engine.Rejecter); ok {
		return &peekedRejecter{p, to}
	}
	return p
}

// peek reads the first rows of a source.
func peek(ctx context.Context, rows engine.RowSource, n int) *peeked {
	p := &peeked{rows: rows}
	for len(p.first) < n {
		r, err := rows.Next(ctx)
		if err != nil {
			p.then = err
			break
		}
		r.Values, r.Names = slices.Clone(r.Values), slices.Clone(r.Names)
		p.first = append(p.first, r)
	}
	return p
}

// insert runs a write of new rows, and notes the first of them.
func (s session) insert(ctx context.Context, table string, rows engine.RowSource, do func(engine.RowSource) (engine.Stats, error)) (engine.Stats, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	s.lookAt(ctx, table, nil)
	var first []engine.Row
	if s.top().table(s.name, table).wants("inserted") {
		p := peek(ctx, rows, shown)
		first, rows = p.first, p.source()
	}
	stats, err := do(rows)
	if err != nil {
		return stats, err
	}
	t := s.top().table(s.name, table)
	t.Stats.Add(stats)
	for _, r := range first[:min(int64(len(first)), stats["inserted"])] {
		t.show(Row{What: "inserted", names: r.Names, After: asMap(r.Names, r.Values)})
	}
	return stats, nil
}

// upsert runs a write of rows that may be there, and notes what became of the
// first of them.
func (s session) upsert(ctx context.Context, table string, rows engine.RowSource, key []string, do func(engine.RowSource) (engine.Stats, error)) (engine.Stats, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	s.lookAt(ctx, table, key)
	t := s.top().table(s.name, table)
	budget := 0
	if all := s.levels[0].table(s.name, table); (all.wants("inserted") || all.wants("updated")) && (t.wants("inserted") || t.wants("updated")) {
		budget = min(ahead, looked-all.lookups-t.lookups)
	}
	type pair struct {
		args   []any
		before *found
	}
	var pairs []pair
	if budget > 0 {
		p := peek(ctx, rows, budget)
		rows = p.source()
		t.lookups += len(p.first)
		for _, r := range p.first {
			args := keyOf(r, key)
			if args == nil {
				continue // the write tells what is wrong
			}
			before, err := s.byKey(ctx, table, key, args)
			if err != nil {
				pairs = nil // the table, or its key, is not as it is said: the write tells
				break
			}
			pairs = append(pairs, pair{args, before})
		}
	}
	stats, err := do(rows)
	if err != nil {
		return stats, err
	}
	t = s.top().table(s.name, table)
	t.Stats.Add(stats)
	for _, p := range pairs {
		after, err := s.byKey(ctx, table, key, p.args)
		if err != nil {
			return stats, err
		}
		switch {
		case after == nil:
		case p.before == nil:
			t.show(Row{What: "inserted", names: after.names, After: after.row()})
		case !reflect.DeepEqual(p.before.values, after.values):
			t.show(Row{What: "updated", names: after.names, key: key, Before: p.before.row(), After: after.row()})
		}
	}
	return stats, nil
}

// some reads rows that a merge may delete.
func (s session) some(ctx context.Context, table string, spec engine.Merge) ([]*found, error) {
	q, args := "SELECT * FROM "+quoteTable(table), []any(nil)
	if spec.Where != "" {
		q, args = q+" WHERE "+spec.Where, spec.Args
	}
	list, err := s.rows(ctx, q+fmt.Sprintf(" LIMIT %d", looked), args)
	if failure := new(engine.Failure); errors.As(err, &failure) {
		return nil, nil // the merge tells what is wrong
	}
	return list, err
}

// deleted notes which rows a merge has deleted.
func (s session) deleted(ctx context.Context, table string, key []string, had []*found) error {
	t := s.top().table(s.name, table)
	for _, f := range had {
		if t.Stats["deleted"] == 0 || !t.wants("deleted") {
			return nil
		}
		args := keyOf(engine.Row{Names: f.names, Values: f.values}, key)
		if args == nil {
			return nil
		}
		now, err := s.byKey(ctx, table, key, args)
		if err != nil {
			return err
		}
		if now == nil {
			t.show(Row{What: "deleted", names: f.names, Before: f.row()})
		}
	}
	return nil
}

// found is a row that was read.
type found struct {
	names  []string
	values []any
}

func (f *found) row() map[string]any { return asMap(f.names, f.values) }

// keyOf are a row's values of the key; nil if it does not have all.
func keyOf(r engine.Row, key []string) []any {
	var args []any
	for _, k := range key {
		i := slices.IndexFunc(r.Names, func(n string) bool { return strings.EqualFold(n, k) })
		if i < 0 || r.Values[i] == nil {
			return nil
		}
		args = append(args, r.Values[i])
	}
	return args
}

// byKey reads a row by its key; nil if there is none.
func (s session) byKey(ctx context.Context, table string, key []string, args []any) (*found, error) {
	conds := make([]string, len(key))
	for i, k := range key {
		conds[i] = quote(k) + " = ?"
	}
	list, err := s.rows(ctx, "SELECT * FROM "+quoteTable(table)+" WHERE "+strings.Join(conds, " AND ")+" LIMIT 1", args)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// rows reads all rows of a result.
func (t *tx) rows(ctx context.Context, query string, args []any) ([]*found, error) {
	r, err := t.inner.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var list []*found
	names := r.Columns()
	for {
		values, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, &found{names, slices.Clone(values)})
	}
}

// quote writes a name for SQL; both dialects read it so.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func quoteTable(table string) string {
	parts := strings.SplitN(table, ".", 2)
	for i := range parts {
		parts[i] = quote(parts[i])
	}
	return strings.Join(parts, ".")
}

// asMap is a row by its names, as JSON can say it.
func asMap(names []string, values []any) map[string]any {
	m := make(map[string]any, len(names))
	for i, n := range names {
		m[n] = plainValue(values[i])
	}
	return m
}

// maxValue is how much of a value is shown, in bytes.
const maxValue = 500

// plainValue is a value of a column as JSON and people read it.
func plainValue(v any) any {
	switch v := v.(type) {
	case string:
		return v // until strike
	case []byte:
		return fmt.Sprintf("%d bytes: %.40x", len(v), v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case *big.Int:
		return v.String()
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		return v
	case nil, bool, int64:
		return v
	}
	return fmt.Sprint(v)
}

// clip is the beginning of a text.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "..."
}
