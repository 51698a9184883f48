package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

func newRecords(env *Env, g *globals) *cobra.Command {
	return newTypeVerbs(env, g, "records", recordVerbs, "List, show and forget which rows of its sources a job type has taken",
		`What a job type knows by records.changed, records.mark and records.link of the rows of its
sources; each instance has its own. People look at it, and forget it, by these commands:`,
		`KEY is JSON where there is such a key: 17, '["DE", 7]'. Else it is a text: A-17, and 17 too. A row
that was forgotten is new when it comes again, and its id is forgotten with it. A hook that has
read what is forgotten meanwhile, and marks it, runs again. A job that goes on after a failure
may meet rows again that its last attempt left out: better forget while none of them is under way.`)
}

var recordVerbs = verbs{
	{
		name: "list", short: "List the sources, with how many rows are known", run: runRecordsList,
		example: []string{"list", "list -o json"},
	},
	{
		name: "get", needs: []string{"SOURCE", "KEY"}, short: "Show what is known of a row", run: runRecordsGet,
		example: []string{"get crm A-17", "get crm '[\"DE\", 7]'"},
	},
	{
		name: "forget", needs: []string{"SOURCE"}, may: []string{"KEY"}, own: []string{"all"}, all: "forget all rows of the source", short: "Forget a row, or with --all all rows of a source", run: runRecordsForget,
		example: []string{"forget crm A-17", "forget crm --all"},
	},
}

// recordRow is what is known of a row.
type recordRow struct {
	Source string        `json:"source"`
	Key    engine.Raw    `json:"key"`
	Taken  bool          `json:"taken"` // false: it is only linked
	Job    *engine.JobID `json:"job"`   // the one that took it last
	ID     engine.Raw    `json:"id"`    // what it is linked to
}

func runRecordsList(ctx context.Context, env *Env, g *globals, o valueOptions, _ []string) error {
	eng, scope, done, err := o.open(ctx, env, g, toLook)
	if err != nil {
		return err
	}
	defer done()
	list, err := eng.Store().RecordSources(ctx, scope)
	if err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, append([]engine.RecordSource{}, list...))
	}
	var rows [][]string
	for _, x := range list {
		job := ""
		if x.Job != nil {
			job = fmt.Sprint(*x.Job)
		}
		rows = append(rows, []string{clean(x.Source), number(x.Rows), number(x.Linked), job})
	}
	p := &printer{w: env.Stdout}
	p.table([]string{"source", "rows", "linked", "last job"}, rows, "rows", "linked", "last job")
	if len(list) == 0 {
		env.say("%s knows of no rows", o.whose())
	}
	return p.err
}

// record is what is known of the row that a person means, which must be there.
func (o *valueOptions) record(ctx context.Context, eng *engine.Engine, scope engine.Scope, source, text string) (engine.RecordKey, *engine.Record, error) {
	keys, err := hostlib.RecordKeysOf(text)
	if err != nil {
		return engine.RecordKey{}, nil, usage("KEY: %v", err)
	}
	found, err := eng.Store().RecordsOf(ctx, scope, source, keys)
	if err != nil {
		return engine.RecordKey{}, nil, err
	}
	for i, r := range found {
		if r != nil {
			return keys[i], r, nil
		}
	}
	if err := o.knows(ctx, eng, scope, source); err != nil {
		return engine.RecordKey{}, nil, err
	}
	return engine.RecordKey{}, nil, &exitError{exitFailed, engine.Errorf(engine.CodeNotFound, "%s knows of no row %s in %q", o.whose(), keys[0].Text, source)}
}

// knows is an error if a source has no rows: an answer, as of state get.
func (o *valueOptions) knows(ctx context.Context, eng *engine.Engine, scope engine.Scope, source string) error {
	list, err := eng.Store().RecordSources(ctx, scope)
	if err != nil {
		return err
	}
	var names []string
	for _, x := range list {
		if x.Source == source {
			return nil
		}
		names = append(names, x.Source)
	}
	return &exitError{exitFailed, engine.Errorf(engine.CodeNotFound, "%s knows of no source %q%s", o.whose(), source, hostlib.Suggest(source, names)).
		WithHint("see which there are: %s list", o.command())}
}

func runRecordsGet(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	eng, scope, done, err := o.open(ctx, env, g, toLook)
	if err != nil {
		return err
	}
	defer done()
	key, r, err := o.record(ctx, eng, scope, args[0], args[1])
	if err != nil {
		return err
	}
	row := recordRow{Source: args[0], Key: engine.Raw(key.Text), Taken: r.Hash.Known}
	if r.Job != 0 {
		row.Job = &r.Job
	}
	if r.ID != "" {
		row.ID = engine.Raw(r.ID)
	}
	if g.json() {
		return printJSON(env.Stdout, row)
	}
	p := &printer{w: env.Stdout}
	p.field("key", "%s", clean(key.Text))
	switch {
	case !row.Taken:
		p.field("taken", "not yet")
	case row.Job != nil:
		p.field("taken", "by job %d", *row.Job)
	}
	if row.ID != nil {
		p.field("linked to", "%s", clean(r.ID))
	}
	return p.err
}

// recordsForgotten says how many rows were forgotten.
type recordsForgotten struct {
	Source    string `json:"source"`
	Forgotten int64  `json:"forgotten"`
}

func runRecordsForget(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	switch {
	case o.All && len(args) > 1:
		return usage("give a KEY or --all, not both")
	case !o.All && len(args) < 2:
		return usage("which row? Give its KEY, or --all for all rows of %q", args[0])
	}
	eng, scope, done, err := o.open(ctx, env, g, toChange)
	if err != nil {
		return err
	}
	defer done()
	var keys []engine.RecordKey
	if o.All {
		err = o.knows(ctx, eng, scope, args[0])
	} else {
		var key engine.RecordKey
		key, _, err = o.record(ctx, eng, scope, args[0], args[1])
		keys = []engine.RecordKey{key}
	}
	if err != nil {
		return err
	}
	n, err := eng.Store().ForgetRecords(ctx, scope, args[0], keys)
	if err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, recordsForgotten{args[0], n})
	}
	env.say("%s of %q forgotten", plural(n, "row", "rows"), clean(args[0]))
	return nil
}
