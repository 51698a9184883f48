package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// enqueueOptions say which jobs to make.
type enqueueOptions struct {
	Type     string
	Payload  string
	Payloads string // a file, or "-"
	Phase    engine.Phase
	Instance string
	Key      string
	Unique   string
	Replace  bool
	At       time.Time
	After    time.Duration
	Priority string
	Wait     bool

	unique   engine.Unique
	priority *int
}

// enqueued says what became of a job to be made.
type enqueued struct {
	ID       engine.JobID `json:"id"`
	Created  bool         `json:"created"`
	Replaced bool         `json:"replaced"`
	// At its end, with --wait.
	Status *engine.Status   `json:"status"`
	Result engine.Raw       `json:"result"`
	Error  *engine.JobError `json:"error"`
	// FailedItem is the first item by which it failed, if it did by one.
	FailedItem *failedItem `json:"failed_item"`
	Reason     *string     `json:"reason"` // why it was cancelled
	// Attempts are those that failed or were lost while it was waited for; null without --wait.
	Attempts []attemptInfo `json:"attempts"`
}

func newEnqueue(env *Env, g *globals) *cobra.Command {
	var o enqueueOptions
	c := &cobra.Command{
		Use:   "enqueue TYPE",
		Short: "Make a job, or one for each line of a file",
		Long: `Make a job, and print its id; or with --payloads one for each line of a file, and
print how many.

With a key no second job is made while one counts: the id of that one is printed then.

With --wait each attempt that fails is told of while it waits (on stderr): why, and when the next
one is due; and at its end the job's result or error, or why it was cancelled. While the database
does not answer it waits on. Ctrl-C ends the wait (exit code 130), and leaves the job as it is.
With -o json one object is printed when all is done: id, created (false: another job has the key)
and replaced; and with --wait status, result, error (as of jobs show), failed_item (the
first by which it failed: id, type, error), reason (why it was cancelled) and attempts, those that
failed; null without it.`,
		Example: `  dsengine enqueue airports
  dsengine enqueue crm/customers --payload '{"id": 42}' --key 42 --unique 1d
  dsengine enqueue geocode --payloads addresses.jsonl --priority 10
  zcat big.jsonl.gz | dsengine enqueue geocode --payloads -
  dsengine enqueue report --at "2026-03-28 06:00"
  dsengine enqueue airports --wait && echo imported`,
		Args:              argumentsBut("payload", "TYPE"),
		ValidArgsFunction: completeTypes(env, g),
		RunE: func(c *cobra.Command, args []string) error {
			o.Type = args[0]
			return runEnqueue(c.Context(), env, g, o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *enqueueOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Payload, "payload", "", "the job's payload, as `JSON`")
	f.StringVar(&o.Payloads, "payloads", "", "a `file` with one payload a line; - for standard input")
	phaseFlag(f, &o.Phase, "phase", "first `phase`, produce or consume, where no script tells")
	f.StringVar(&o.Instance, "instance", "", "`name` of the type's instance")
	f.StringVar(&o.Key, "key", "", "`key`: no second job is made while one with it counts")
	f.StringVar(&o.Unique, "unique", "", "for how `long` the key counts: active (until its job is final; the default),\nwaiting (until it starts), forever, or a time such as 30d after it completed")
	f.BoolVar(&o.Replace, "replace", false, "give the waiting job with the key the new payload")
	momentFlag(f, &o.At, "at", "not before this `time`: 2026-03-28T15:04:05Z, or \"2026-03-28 15:04\" in UTC")
	durationFlag(f, &o.After, "after", "not before this `time` from now: 30s, 5m, 7d")
	f.StringVar(&o.Priority, "priority", "", "`number` from -100 to 100, smaller runs first (default: the type's)")
	f.BoolVar(&o.Wait, "wait", false, "wait for the job's end, and exit with 4 if it failed")
}

func (o *enqueueOptions) validate() (err error) {
	switch {
	case o.Payload != "" && o.Payloads != "":
		return usage("give --payload or --payloads, not both")
	case o.Payloads != "" && o.Key != "":
		return usage("--key goes with one job: with --payloads all would have the same")
	case o.Payloads != "" && o.Wait:
		return usage("--wait goes with one job, not with --payloads").WithHint("to wait until all is done: dsengine run --until-idle")
	case o.Key == "" && (o.Unique != "" || o.Replace):
		return usage("--unique and --replace need a --key")
	case !o.At.IsZero() && o.After != 0:
		return usage("give --at or --after, not both")
	case o.After < 0:
		return usage("--after must not be negative")
	case o.Phase != 0 && o.Phase != engine.PhaseProduce && o.Phase != engine.PhaseConsume:
		return usage("--phase: a job begins in produce or consume, not in %s", o.Phase)
	}
	if err := checkPayload("--payload", o.Payload); err != nil {
		return err
	}
	if o.Priority != "" {
		var n int
		if json.Unmarshal([]byte(o.Priority), &n) != nil || n < -100 || n > 100 {
			return usage("--priority must be a whole number from -100 to 100, not %q", o.Priority)
		}
		o.priority = &n
	}
	if o.unique, err = engine.ParseUnique(o.Unique); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--unique")
	}
	return engine.CheckTypeName(o.Type)
}

// others are the flags of a job besides its payload, as a shell is given them. A time
// from now is one of its own by then.
func (o *enqueueOptions) others() (words string) {
	flag := func(name, value string) {
		if value != "" {
			words += " --" + name + " " + quotedWord(value)
		}
	}
	if o.Phase != 0 {
		flag("phase", o.Phase.String())
	}
	flag("instance", o.Instance)
	flag("priority", o.Priority)
	if !o.At.IsZero() {
		flag("at", o.At.UTC().Format(time.RFC3339))
	}
	if o.After != 0 {
		flag("after", engine.FormatDuration(o.After))
	}
	return words
}

// checkPayload says what is wrong with JSON that a person typed.
func checkPayload(flag, text string) error {
	if text == "" {
		return nil
	}
	if err := whyNoJSON([]byte(text)); err != nil {
		return usage("%s is no JSON: %v", flag, err).WithHint(`quote it for the shell: %s '{"id": 42}'`, flag)
	}
	return nil
}

// whyNoJSON says why a text is no JSON, or nil.
func whyNoJSON(text []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(text, &v)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("it is not UTF-8")
	}
	return err
}

func runEnqueue(ctx context.Context, env *Env, g *globals, o enqueueOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	log, con := newLogger(env, g)
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	var lines *payloadLines
	if o.Payloads != "" {
		if lines, err = openPayloads(env, o.Payloads); err != nil {
			return err
		}
		defer lines.Close()
		lines.like = o.others()
	}
	eng, done, err := openEngine(ctx, env, g, log, toMake)
	if err != nil {
		return err
	}
	defer done()
	job, err := newJobOf(ctx, g, eng, &s, o.Type, o.Instance, o.Phase)
	if err != nil {
		return err
	}
	if err := tellUnrun(ctx, env, g, eng, &s, o.Type); err != nil {
		return err
	}
	job.Key, job.Unique, job.Replace = o.Key, o.unique, o.Replace
	job.Priority, job.After, job.At = o.priority, o.After, o.At
	if lines != nil {
		return enqueueLines(ctx, env, g, eng, newProgress(env, log, con), job, lines)
	}
	if o.Payload != "" {
		job.Payload = engine.Raw(o.Payload)
	}
	return enqueueOne(ctx, env, g, eng, job, o.Wait)
}

func enqueueOne(ctx context.Context, env *Env, g *globals, eng *engine.Engine, job engine.NewJob, wait bool) error {
	made, err := eng.Enqueue(ctx, job)
	if err != nil {
		return err
	}
	e := enqueued{ID: made[0].ID, Created: made[0].Created, Replaced: made[0].Replaced}
	if !g.json() {
		p := printer{w: env.Stdout}
		if p.line("%d", e.ID); p.err != nil {
			return p.err
		}
		if !e.Created {
			env.say("%s", notMade(ctx, eng, e))
		}
	}
	code := exitDone
	if wait {
		w := waiter{env: env, store: eng.Store(), id: e.ID, old: !e.Created, attempts: []attemptInfo{}}
		j, err := w.wait(ctx)
		if err != nil && ctx.Err() != nil {
			env.say("%s", env.calls(fmt.Sprintf("job %d is not waited for any more; it goes on by itself. How it is: dsengine jobs show %[1]d; to end it: dsengine jobs cancel %[1]d", e.ID)))
		}
		if err != nil {
			return err
		}
		e.Result, e.Error, e.Attempts = j.Result, j.Error, w.attempts
		reason := reasonOf(ctx, env, eng.Store(), j)
		if reason != "" {
			e.Reason = &reason
		}
		if e.Status = &j.Status; j.Status != engine.StatusCompleted {
			code = exitJobFailed
		}
		if e.FailedItem, err = firstFailed(ctx, eng.Store(), j); err != nil {
			return err
		}
		env.say("%s", endOf(j, reason))
		for _, line := range failureWords(j, e.FailedItem) {
			env.say("%s", line)
		}
		if j.Result != nil {
			env.say("result: %s", clip(string(j.Result), 300))
		}
	}
	if g.json() {
		if err := printJSON(env.Stdout, e); err != nil {
			return err
		}
	}
	return exit(code)
}

// notMade says why no job was made: another one has the key.
func notMade(ctx context.Context, eng *engine.Engine, e enqueued) string {
	j, err := eng.Store().Job(ctx, e.ID)
	switch {
	case e.Replaced:
		return fmt.Sprintf("job %d, which waits, has the key: it has the new payload now", e.ID)
	case err == nil && j.Status == engine.StatusFailed:
		return fmt.Sprintf("job %d, which failed, has the key: no other was made; to run it again: dsengine jobs retry %[1]d", e.ID)
	case err == nil && j.Status == engine.StatusCancelled:
		return fmt.Sprintf("job %d, which was cancelled, has the key: no other was made; to run it again: dsengine jobs retry %[1]d", e.ID)
	}
	return fmt.Sprintf("job %d has the key already: no other was made", e.ID)
}

// endOf says how a job ended; reason is why it was cancelled, if that is known.
func endOf(j *engine.Job, reason string) string {
	s := "job " + jobName(j) + " " + j.Status.String()
	if j.Status == engine.StatusFailed && j.Error != nil {
		s += ": " + clip(j.Error.Message, 600)
	}
	if reason != "" {
		s += ": " + clip(reason, 300)
	}
	return s
}
