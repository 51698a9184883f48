package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

const (
	// rewritings is how many statements a hook's session remembers, and
	// rememberedBytes how long they may be.
	rewritings      = 100
	rememberedBytes = 4 << 10
	// rewrittenBytes is how long a statement may be that is rewritten at all.
	rewrittenBytes = 256 << 10
	// tablesFor is how long a table is taken to stay what it is.
	tablesFor = 30 * time.Second
)

// rewriting rewrites the statements of a hook.
type rewriting struct {
	s      *Store
	tables map[string]relation // that the hook's transaction has, and no other yet
	made   map[string]sqlstore.Statement
}

// knownTable is a table that was looked at.
type knownTable struct {
	relation
	at time.Duration
}

// Rewriting has the statements of a hook say what they say on MySQL.
func (s *Store) Rewriting() sqlstore.Rewriting { return &rewriting{s: s} }

// Forget forgets what tables there are.
func (w *rewriting) Forget() { w.tables, w.made = nil, nil }

// Rewrite rewrites a statement.
func (w *rewriting) Rewrite(ctx context.Context, x sqlstore.Execer, query string, args []any) (sqlstore.Statement, error) {
	if len(query) > rewrittenBytes {
		return sqlstore.Statement{SQL: query}, nil
	}
	key := query + "\x00" + kinds(args)
	if made, ok := w.made[key]; ok {
		return made, nil
	}
	var err error
	all := true
	made := sqlstore.Statement{}
	made.SQL, made.Give = rewrite(query, args, func(table string) (rel relation) {
		if err == nil {
			rel, err = w.table(ctx, x, table)
		}
		all = all && !rel.open // it may be made yet
		return rel
	})
	if err != nil {
		return made, err
	}
	if len(w.made) >= rewritings || w.made == nil {
		w.made = map[string]sqlstore.Statement{}
	}
	if all && len(key) <= rememberedBytes {
		w.made[key] = made
	}
	return made, nil
}

// Fits has columns keep values as MySQL would give them back.
func (w *rewriting) Fits(ctx context.Context, x sqlstore.Execer, table string) (sqlstore.Fit, error) {
	rel, err := w.table(ctx, x, strings.ToLower(table[strings.LastIndexByte(table, '.')+1:]))
	fit := sqlstore.Fit{Needs: rel.needs, Ours: rel.ours}
	fit.Whole = func(name string) bool { return slices.Contains(rel.whole, strings.ToLower(name)) }
	fit.Truth = func(name string) bool { return slices.Contains(rel.truth, strings.ToLower(name)) }
	fit.Type = func(name string) string {
		for _, c := range rel.columns {
			if strings.EqualFold(c.name, name) {
				return c.neutral
			}
		}
		return ""
	}
	fit.Of = func(name string) func(any) (any, string) {
		i := slices.IndexFunc(rel.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
		if i < 0 {
			return nil
		}
		return fitOf(rel.columns[i].neutral, rel.ours, rel.columns[i].typ.cut)
	}
	fit.Odd = func(name string) string {
		if form := keptAs[fit.Type(name)]; form != "" {
			return fmt.Sprintf("typeof(%[1]s) = 'text' AND %[1]s NOT GLOB '%[2]s'", w.s.Quote(name), form)
		}
		return ""
	}
	return fit, err
}

// keptAs is how fitOf writes values of a type. Other programs write others, which are
// read as what they are, but are other texts in keys.
var keptAs = map[string]string{"timestamp": "????-??-?? ??:??:??.??????", "date": "????-??-??"}

// table looks at a table. What others see of it is remembered for all hooks; what
// only the hook's own transaction sees may be rolled back.
func (w *rewriting) table(ctx context.Context, x sqlstore.Execer, name string) (relation, error) {
	if rel, ok := w.tables[name]; ok {
		return rel, nil
	}
	now := w.s.Clock.Boot()
	if v, ok := w.s.tables.Load(name); ok && now-v.(knownTable).at < tablesFor {
		return v.(knownTable).relation, nil
	}
	rel := relation{open: true}
	var err error
	if one := w.s.OneConnection; !one && !w.s.noReader || x == nil {
		if rel, err = tableColumns(ctx, w.s.Reader, name); err == nil && !rel.open {
			if !one { // else what is seen may be the hook's own
				w.s.tables.Store(name, knownTable{rel, now})
			}
			return rel, nil
		}
	}
	if x != nil {
		if rel, err = tableColumns(ctx, x, name); err == nil && !rel.open {
			if w.tables == nil {
				w.tables = map[string]relation{}
			}
			w.tables[name] = rel
		}
	}
	return rel, err
}

// kinds tells the types of arguments, as far as they matter to a statement.
func kinds(args []any) string {
	var b strings.Builder
	for _, a := range args {
		switch a := a.(type) {
		case nil:
			b.WriteByte('n')
		case int64, bool:
			b.WriteByte('i')
		case float64:
			b.WriteByte('f')
		case string:
			b.WriteByte('s')
		case time.Time:
			b.WriteByte('t')
		case []byte:
			b.WriteByte('b')
		case engine.Decimal:
			_, scale, _ := a.Digits()
			if _, long := bare(a).(string); long {
				b.WriteByte('l')
			}
			b.WriteString("d" + strconv.Itoa(scale))
		default:
			b.WriteByte('x')
		}
	}
	return b.String()
}

// conditions has the SQL that made a table: db.ensure gives columns conditions.
const conditions = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"

// tableColumns are the columns of a table or a view; open if there is none.
func tableColumns(ctx context.Context, x sqlstore.Execer, table string) (rel relation, err error) {
	var keys, whole, truth []string
	var name, declared, counts string
	var pk int
	digits := map[int]int{} // of a second, by column
	err = pragma(ctx, x, "table_info", table, []any{new(any), &name, &declared, new(any), new(any), &pk}, func() {
		if pk > 0 {
			keys = append(keys, name)
			if strings.EqualFold(declared, "integer") {
				counts = name
			}
		}
		if neutralType(declared) == "integer" {
			whole = append(whole, name)
		}
		if strings.EqualFold(declared, "boolean") {
			truth = append(truth, name)
		}
		if n, is := strings.CutPrefix(declared, "DATETIME("); is {
			digits[len(rel.columns)], _ = strconv.Atoi(strings.TrimSuffix(n, ")"))
		}
		rel.columns = append(rel.columns, column{strings.ToLower(name), columnTyp(declared), neutralType(declared), name})
	})
	rel.open = len(rel.columns) == 0
	if err != nil {
		return relation{open: true}, err
	}
	if rel.open {
		return rel, nil
	}
	made, err := x.QueryContext(ctx, conditions, table)
	if err != nil {
		return relation{open: true}, err
	}
	defer made.Close()
	for made.Next() {
		var sql string
		if err := made.Scan(&sql); err != nil {
			return relation{open: true}, err
		}
		rel.ours = strings.Contains(sql, `CONSTRAINT "`+valueConstraint)
		ours := func(name string) bool { // else a program's own, which may keep what it likes
			return strings.Contains(sql, `CONSTRAINT "`+valueConstraint+strings.ReplaceAll(name, `"`, `""`)+`"`)
		}
		for _, name := range truth {
			if ours(name) {
				rel.truth = append(rel.truth, strings.ToLower(name))
			}
		}
		for _, name := range whole {
			if !ours(name) {
				continue
			}
			rel.whole = append(rel.whole, strings.ToLower(name))
			if len(keys) == 1 && keys[0] == name && counts == name {
				rel.needs = name
			}
		}
	}
	if rel.ours {
		for i, digits := range digits {
			rel.columns[i].typ.cut = 6 - digits
		}
	}
	return rel, made.Err()
}
