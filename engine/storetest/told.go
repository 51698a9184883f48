package storetest

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// toldCases: what is wrong with a statement or a row is told in the same words on
// every store, with the database's own behind them.
var toldCases = []testCase{
	{"statements that fail are told of in the same words", func(w *world) {
		h := w.store.Begin(engine.SessionOptions{Job: 1, Type: "t", Strike: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }})
		w.Cleanup(func() { h.Close() })
		people(w, h)
		for sql, want := range map[string]string{
			"SELECT count(*) FROM peple":                              `db.missing: there is no table peple (did you mean "people"?): make it with db.ensure("peple", {...})`,
			"INSERT INTO zzzzzz VALUES (1)":                           `db.missing: there is no table zzzzzz: make it with db.ensure("zzzzzz", {...})`,
			"SELECT count(*) FROM `Odd T`":                            `db.missing: there is no table Odd T: make it with db.ensure("Odd T", {...})`,
			"SELECT nmae FROM people":                                 `db.column: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`,
			"UPDATE people SET nmae = 'x' WHERE id = 1":               `db.column: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`,
			"INSERT INTO people (id, nmae) VALUES (2, 'x')":           `db.column: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`,
			"DELETE FROM people WHERE nmae = 'FROM towns'":            `db.column: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`,
			"SELECT t.nmae FROM people p JOIN towns AS t ON t.id = 1": `db.column: table towns has no column "nmae": it has id, town`,
			"SELECT nmae FROM people p, towns t":                      `db.column: none of the tables people, towns has a column "nmae" (did you mean "name"?)`,
			"SELECT nmae FROM (SELECT name FROM people) p":            `db.column: there is no column "nmae" (did you mean "name"?)`,
			"SELECT poeple.id FROM people":                            `db.column: there is no column poeple.id: the statement has no table poeple (did you mean "people"?)`,
			"SELECT id FROM people p JOIN towns t ON p.id = t.id":     `db.column: several tables of the statement have a column id: say which one is meant, as in p.id`,
			"INSERT INTO people (id, name) VALUES (2)":                `db.column: the statement does not give as many values as it names columns: write one ? or value for each column, and name the columns`,
			"SELECT fooo(name) FROM people":                           `db.missing: there is no function fooo in this database's SQL`,
			"SELECT name FORM people":                                 `db.syntax: the SQL cannot be understood at "people", behind "SELECT name FORM": look there, and just before it, for what is missing or misspelt`,
			"SELECT id FROM people WHERE ":                            `db.syntax: the SQL cannot be understood at its end, behind "SELECT id FROM people WHERE": look there, and just before it, for what is missing or misspelt`,
			"UPDATE people\n SET name = 'hunter2',\n\tWHERE id = 1":   `db.syntax: the SQL cannot be understood in line 3, at "WHERE id = 1", behind "UPDATE people SET name = '***',": look there, and just before it, for what is missing or misspelt`,
			"INSERT INTO people (id, name) VALUES (1, 'b')":           `db.duplicate: table people has a row with the same id already: db.upsert("people", rows, key = ["id"]) updates a row that is there`,
			"UPDATE people SET name = NULL":                           `db.constraint: column name of people cannot be NULL: give it a value`,
			"UPDATE people SET code = 'four'":                         `db.value: column code of people is of type text(3) and cannot hold the value: it is `,
			"UPDATE people SET size = 123456":                         `db.value: column size of people is of type decimal(4,1) and cannot hold the value: it is `,
		} {
			var err error
			if strings.HasPrefix(sql, "SELECT") {
				_, err = h.Query(w.ctx, sql, nil)
			} else {
				_, err = h.Exec(w.ctx, sql, nil)
			}
			told(w, sql, want, err)
		}
		w.same("rows", [][]any{{int64(1), "a"}}, w.query(h, "SELECT id, code FROM people"))
	}},
	{"no part of a secret is told, where a database cuts what it shows", func(w *world) {
		const letters = "Zq7xKw3'"
		var secret strings.Builder
		for i := range 30 { // no part of it is there twice
			fmt.Fprintf(&secret, "%d%c%d%c", i*i*37, letters[i%8], i, letters[(i/8)%7])
		}
		text := secret.String()
		name := "k" + strings.ReplaceAll(text, "'", "y")
		known := engine.NewSecrets()
		w.must(known.Add(text))
		w.must(known.Add(name))
		h := w.store.Begin(engine.SessionOptions{Job: 1, Type: "t", Strike: known.Strike, StrikeParts: known.StrikeParts})
		w.Cleanup(func() { h.Close() })
		people(w, h)
		_, err := h.Ensure(w.ctx, "tokens", []engine.Column{{Name: "id", Type: "text(250)"}}, []string{"id"})
		w.must(err)
		_, err = h.Exec(w.ctx, "INSERT INTO tokens VALUES (?)", []any{text})
		w.must(err)
		const found, lost = "db.syntax: the SQL cannot be understood at ", ": look there, and just before it, for what is missing or misspelt"
		for _, c := range []struct {
			sql  string
			args []any
			want string
		}{
			{"SELECT id FROM people WHRE name = ? AND size = ? AND code <> 'x'", []any{text, engine.Decimal("1.5")}, found + `"name = ? AND size = ? AND code <> 'x'", behind "SELECT id FROM people WHRE"` + lost},
			{"SELECT id FROM people\nWHERE name = ? AND code = ? zzz", []any{text, []byte(text)}, "db.syntax: the SQL cannot be understood in line 2, at \"zzz\", behind \"... FROM people WHERE name = ? AND code = ?\"" + lost},
			{"UPDATE people SET name = ?, code = ) WHERE id = 1", []any{text + text}, found + `") WHERE id = 1", behind "UPDATE people SET name = ?, code ="` + lost},
			{"UPDATE people SET name = '" + text[:50] + strings.ReplaceAll(text[50:], "'", "''") + "'", nil, ""},
			{"UPDATE people SET name = '" + strings.ReplaceAll(text, "'", "''") + "' WHRE id = 1", nil, found + `"WHRE id = 1", behind "UPDATE people SET name = '***'"` + lost},
			{"INSERT INTO tokens VALUES (?)", []any{text}, `db.duplicate: table tokens has a row with the same id already: db.upsert("tokens", rows, key = ["id"]) updates a row that is there`},
			{"UPDATE people SET size = ?", []any{text}, ""},
			{"UPDATE people SET size = ?", []any{text + text + text}, ""},
			{"UPDATE people SET code = ?", []any{text}, ""},
			{"SELECT id FROM people WHERE name = " + name, nil, ""},
			{"SELECT " + name + "(1) FROM people", nil, ""},
			{"UPDATE " + name + " SET code = 1", nil, ""},
			{"UPDATE people SET " + name + " = 1", nil, ""},
		} {
			var err error
			if strings.HasPrefix(c.sql, "SELECT") {
				_, err = h.Query(w.ctx, c.sql, c.args)
			} else {
				_, err = h.Exec(w.ctx, c.sql, c.args)
			}
			f := engine.AsFailure(errOr(err))
			got := f.Code + ": " + f.Message
			if plain, _, _ := strings.Cut(got, " (the database says: "); f.Code == "none" || c.want != "" && plain != c.want {
				w.Errorf("%s:\n got %s\nwant %s", c.sql, plain, c.want)
			}
			got = known.Strike(got) // as the engine does
			for i := range len(name) - 8 {
				if strings.Contains(got, name[i:i+8]) || i+8 <= len(text) && strings.Contains(got, text[i:i+8]) {
					w.Errorf("%s: %s has %q of a secret", c.sql, got, name[i:i+8])
					break
				}
			}
		}
	}},
	{"what fails while it is read is told of in the same words", func(w *world) {
		h := w.hook(w.store)
		people(w, h)
		w.run(h, "INSERT INTO people (id, name) VALUES (-9223372036854775808, 'least')")
		rows, err := h.Query(w.ctx, "SELECT ABS(id) FROM people ORDER BY id DESC", nil)
		for err == nil {
			_, err = rows.Next(w.ctx)
		}
		told(w, "a row in the middle", "db.value: a number that the statement works out is too large for its type: calculate with decimals, as in CAST(... AS DECIMAL(38,0)), or leave out the rows for which it is", err)
		w.same("the session goes on", [][]any{{int64(2)}}, w.query(h, "SELECT COUNT(*) FROM people"))
	}},
	{"what tells the part of a merge is told of in the same words, before any row is read", func(w *world) {
		h := w.hook(w.store)
		people(w, h)
		for _, share := range []bool{true, false} {
			for where, want := range map[string]string{
				"nmae = 'x'":     `db.column: where: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`,
				"fooo(name) = 1": `db.missing: where: there is no function fooo in this database's SQL`,
			} {
				read := &generated{n: 1, row: func(int) engine.Row {
					w.Errorf("%s: a row was read", where)
					return engine.Row{Names: []string{"id", "name"}, Values: []any{int64(7), "x"}}
				}}
				_, err := h.Merge(w.ctx, "people", read, engine.Merge{Key: []string{"id"}, Where: where, MaxDelete: 100, Share: share})
				told(w, where, want, err)
			}
			_, err := h.Merge(w.ctx, "people", source(), engine.Merge{Key: []string{"id"}, Where: "no such thing", MaxDelete: 100, Share: share})
			if f := engine.AsFailure(errOr(err)); f.Code != "db.syntax" || !strings.HasPrefix(f.Message, "where: the SQL cannot be understood ") {
				w.Errorf("SQL that makes no sense: got %s: %s", f.Code, f.Message)
			}
		}
		w.same("rows", [][]any{{int64(1)}}, w.query(h, "SELECT id FROM people"))
	}},
	{"rows that fail are told of in the same words", func(w *world) {
		h := w.hook(w.store)
		people(w, h)
		for want, row := range map[string]engine.Row{
			`db.column: row 1: table people has no column "nmae" (did you mean "name"?): it has id, code, name, size`:                              {Names: []string{"id", "nmae"}, Values: []any{int64(2), "x"}},
			`db.duplicate: row 1: table people has a row with id = 1 already: db.upsert("people", rows, key = ["id"]) updates a row that is there`: {Names: []string{"id", "name"}, Values: []any{int64(1), "x"}},
			`db.constraint: row 1: column name of people cannot be NULL, and it is NULL here`:                                                      {Names: []string{"id", "name"}, Values: []any{int64(2), nil}},
			`db.constraint: row 1: column name of people cannot be NULL, and the row does not have it`:                                             {Names: []string{"id"}, Values: []any{int64(2)}},
			`db.value: row 1: column code is of type text(3) and cannot hold "four": it is longer than 3 characters`:                               {Names: []string{"id", "name", "code"}, Values: []any{int64(2), "x", "four"}},
		} {
			_, err := h.Insert(w.ctx, "people", source(row))
			told(w, strings.Join(row.Names, ", "), want, err)
		}
		for typ, text := range map[string]string{"date": "28.03.2026", "timestamp": "28.03.2026 15:04"} {
			_, err := h.Ensure(w.ctx, "of_"+typ, []engine.Column{{Name: "at", Type: typ}}, nil)
			w.must(err)
			_, err = h.Insert(w.ctx, "of_"+typ, source(engine.Row{Names: []string{"at"}, Values: []any{text}}))
			told(w, typ, fmt.Sprintf(`db.value: row 1: column at is of type %s and cannot hold %q: it is not of that type, or out of its range%s`, typ, text, engine.SuggestTimeForm(text)), err)
		}
		_, err := h.Insert(w.ctx, "towns", source(engine.Row{Names: []string{"id;town"}, Values: []any{"1;Rome"}}))
		if got := engine.AsFailure(errOr(err)).Message; !strings.Contains(got, `: its only column is "id;town", so the file seems to be separated by ";": csv.read(..., sep = ";")`) {
			w.Errorf("a file of another separator: got %q", got)
		}
		_, err = h.Insert(w.ctx, "peple", source(engine.Row{Names: []string{"id"}, Values: []any{int64(2)}}))
		told(w, "no table", `db.missing: there is no table peple (did you mean "people"?): make it with db.ensure("peple", {...})`, err)
		_, err = h.Upsert(w.ctx, "peple", source(engine.Row{Names: []string{"id"}, Values: []any{int64(2)}}), engine.Upsert{Key: []string{"id"}})
		w.same("no table to upsert into", `there is no table peple (did you mean "people"?): make it with db.ensure("peple", {...})`, engine.AsFailure(errOr(err)).Message)
	}},
}

// people makes two tables, with a row in one.
func people(w *world, h engine.Session) {
	w.Helper()
	_, err := h.Ensure(w.ctx, "people", []engine.Column{{Name: "id", Type: "integer"}, {Name: "code", Type: "text(3)", Nullable: true}, {Name: "name", Type: "text"}, {Name: "size", Type: "decimal(4,1)", Nullable: true}}, []string{"id"})
	w.must(err)
	_, err = h.Ensure(w.ctx, "towns", []engine.Column{{Name: "id", Type: "integer"}, {Name: "town", Type: "text", Nullable: true}}, []string{"id"})
	w.must(err)
	w.run(h, "INSERT INTO people (id, code, name) VALUES (1, 'a', 'Ada')")
}

// told wants a failure that begins as want says after its code, and ends there but
// for the database's own words.
func told(w *world, what, want string, err error) {
	w.Helper()
	f := engine.AsFailure(errOr(err))
	got := f.Code + ": " + f.Message
	plain, own, _ := strings.Cut(got, " (the database says: ")
	if plain != want && !(strings.HasSuffix(want, "it is ") && strings.HasPrefix(plain, want)) {
		w.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
	if own == "" && f.Code != "db.value" || strings.Contains(got, "hunter2") {
		w.Errorf("%s: got %q, want the database's own words, without secrets", what, got)
	}
}

// errOr is the error, or one that says that there was none.
func errOr(err error) error {
	if err == nil {
		return &engine.Failure{Code: "none", Message: "no error"}
	}
	return err
}
