package hostlib

import (
	"fmt"
	"strings"
)

// Hook is a function that a script may define, and that the engine calls.
type Hook struct {
	Name    string
	Doc     string // sentences, with a full stop
	When    string // when it is called
	Params  []HookParam
	Returns string // what its result is for
	Example string // a whole script, in Starlark
	Lua     string // the hook alone, in Lua
}

// HookParam is what a hook is called with, by position: its name is the script's.
type HookParam struct {
	Name string
	Type string // as in the docs
	Doc  string
}

var ctxParam = HookParam{"ctx", "ctx", "the job, and what can be done with it: dsengine docs ctx"}

// RedriveHook is the name of the hook for rejected rows. It runs in phase consume.
const RedriveHook = "redrive"

const notFinal = "It commits as a whole when it ends well; with an error, a time-out or a crash all that it wrote since the last checkpoint is rolled back, and it is called again."

// Hooks are the hooks that there are.
var Hooks = []*Hook{
	{
		Name: "produce",
		Doc: "Finds the work. It emits items, which consume works on, on whichever server is free; or it returns one payload, with which the same job goes on to consume; or neither: then there is nothing to do. Both is an error. " +
			"A script without it begins in consume. " + notFinal,
		When:    "when the schedule fires (job(every = ...) or job(cron = ...)), and when somebody makes the job: dsengine enqueue, run --once, ctx.enqueue, a backfill",
		Params:  []HookParam{ctxParam},
		Returns: "None; or data, not None: the payload, which consume gets as its item, in the same job. After ctx.emit it must be None",
		Example: "job(every = \"1h\", needs = [\"files:incoming/*.csv\"])\n\ndef produce(ctx):\n    for f in files.list(\"incoming/*.csv\"):\n        ctx.emit({\"path\": f.path}, key = f.path + \"@\" + f.modified, unique = \"forever\")\n\ndef consume(ctx, item):\n    db.upsert(\"orders\", csv.read(item[\"path\"]), key = [\"id\"])",
		Lua:     "function produce(ctx)\n  for _, f in ipairs(files.list(\"incoming/*.csv\")) do\n    ctx.emit({path = f.path}, {key = f.path .. \"@\" .. f.modified, unique = \"forever\"})\n  end\nend",
	},
	{
		Name: "consume",
		Doc:  "Does one piece of the work. It may emit items too; then finish is called when they have settled. " + notFinal,
		When: "for each item that was emitted; for the job itself, if produce has returned a payload or the script has no produce; for a row that was the whole item, when it is redriven and the script has no hook redrive",
		Params: []HookParam{ctxParam, {Name: "item", Type: Data.String(),
			Doc: "what ctx.emit was given, what produce returned, or the payload that the job was made with; None if it was made without one"}},
		Returns: "None: the job is completed, or open until the items that it emitted have settled; or data: the same, with that as its result, which finish finds in summary.results and jobs show tells. What is no data (an object, a function) is an error. To end it otherwise: error(...), ctx.retry, ctx.snooze, ctx.cancel, ctx.fail",
		Example: "job(needs = [\"files:incoming/*.csv\"])\n\ndef consume(ctx, item):\n    n = 0\n    for rows in ctx.batches(csv.read(item[\"path\"]), 1000):\n        db.upsert(\"orders\", rows, key = [\"id\"])\n        n += len(rows)  # after a crash: of this run alone\n    return {\"rows\": n}",
		Lua:     "function consume(ctx, item)\n  for rows in ctx.batches(csv.read(item.path), 1000) do\n    db.upsert(\"orders\", rows, {key = {\"id\"}})\n  end\nend",
	},
	{
		Name: "fail",
		Doc: "Cleans up after an attempt that failed, tells somebody, or decides what comes next: ctx.retry, ctx.snooze, ctx.cancel or ctx.fail overrule the setting retry. What the hook that failed wrote since its last checkpoint is rolled back already; " +
			"what this one writes is committed. An error in it is logged, and the setting retry applies. ctx.phase is \"fail\" in it, err.phase the hook that failed.",
		When: "after each attempt of another hook that failed: an error, a time-out, a limit, too many rejects. A lost server alone is no failed attempt, nor is a cancelled job",
		Params: []HookParam{ctxParam,
			{Name: "item", Type: Data.String(), Doc: "what consume got; where produce or finish failed, the payload of the job"},
			{Name: "err", Type: "err", Doc: "how it failed: err.message, err.kind, err.code, err.final and so on; see dsengine docs err"}},
		Returns: "nothing that counts: to decide, call ctx.retry(after), ctx.snooze(after), ctx.cancel(reason) or ctx.fail(reason); if it calls none, the setting retry says what comes next",
		Example: "def consume(ctx, item):\n    error(\"not yet\", code = \"feed.empty\")\n\ndef fail(ctx, item, err):\n    if err.code == \"feed.empty\":\n        ctx.retry(after = \"10m\")\n    if err.final:\n        log.error(\"gave up\", item = item, why = err.message)",
		Lua:     "function fail(ctx, item, err)\n  if err.code == \"feed.empty\" then\n    ctx.retry(\"10m\")\n  end\n  if err.final then\n    log.error(\"gave up\", {item = item, why = err.message})\n  end\nend",
	},
	{
		Name:    "finish",
		Doc:     "Winds up after all items: writes a report, moves files away, tells somebody. Afterwards the job is completed, or failed if any item has failed. It is tried again as the others are. " + notFinal,
		When:    "once all items that the job emitted are completed, failed or cancelled; also if produce emitted none, unless it returned a payload. Again, if a failed item was retried",
		Params:  []HookParam{ctxParam, {Name: "summary", Type: "summary", Doc: "how the items went: summary.total, .completed, .failed, .cancelled, .stats, .results, .error; see dsengine docs summary"}},
		Returns: "None, or data: the job's result",
		Example: "def produce(ctx):\n    ctx.emit_all([1, 2, 3])\n\ndef consume(ctx, item):\n    return item * item\n\ndef finish(ctx, summary):\n    if summary.failed:\n        log.warn(\"not all is imported\", failed = summary.failed, of = summary.total)\n    return {\"sum\": math.sum(summary.results)}",
		Lua:     "function finish(ctx, summary)\n  if summary.failed > 0 then\n    log.warn(\"not all is imported\", {failed = summary.failed, of = summary.total})\n  end\nend",
	},
	{
		Name: RedriveHook,
		Doc: "Does what could not be done with rows that were rejected, once the script is mended. It runs in a job of its own, whose ctx.phase is \"consume\"; jobs show tells which rejects it redrives. Loop by ctx.batches(rows, n), which commits after each pass: " +
			"rows of committed passes are redriven for good, whatever becomes of the rest; if the job fails, those are open again. Something newer may have been imported since a row was rejected: db.upsert(..., newer = \"changed_at\") keeps that. The setting rejects does not bound a redrive. A row that is rejected again is a new reject, which keeps source and line, unless the script has made a new dict of it in a list.",
		When: "by dsengine rejects redrive, for up to 10,000 rejects a job. A script without it: rows that were whole items go to consume again, a job each, and others cannot be redriven",
		Params: []HookParam{ctxParam, {Name: "rows", Type: "iterator of data",
			Doc: "the rows as they were rejected, oldest first. One that a reader set aside (on_bad = \"reject\") may lack columns, have some more in \"_more\", or be a text, where it could not be split, and {\"_text\": text, \"_bytes\": base64} where some of it means nothing in the encoding: text has U+FFFD there, and the bytes are those of the file. One that a writer set aside (on_bad = \"reject\") is as the script gave it to the writer, not as the reader gave it: a name that only these have tells them apart. Look before you use it"}},
		Returns: "None, or data: the job's result",
		Example: "job(needs = [\"files:incoming/*.csv\"])\n\ndef clean(r):\n    if type(r) != \"dict\" or \"amount\" not in r:\n        return reject(r, \"no amount\")\n    return {\"id\": r[\"id\"], \"amount\": float(r[\"amount\"].replace(\",\", \".\"))}\n\n" +
			"def consume(ctx, item):\n    db.upsert(\"orders\", [clean(r) for r in csv.read(item[\"path\"], on_bad = \"reject\")], key = [\"id\"])\n\n" +
			"def redrive(ctx, rows):\n    for batch in ctx.batches(rows, 1000):\n        db.upsert(\"orders\", [clean(r) for r in batch], key = [\"id\"])",
		Lua: "function redrive(ctx, rows)\n  for batch in ctx.batches(rows, 1000) do\n    db.upsert(\"orders\", batch, {key = {\"id\"}})\n  end\nend",
	},
}

// HookNamed is the hook of a name, or nil.
func HookNamed(name string) *Hook {
	for _, h := range Hooks {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Mismatch says that the hook is defined otherwise than it is called.
func (h *Hook) Mismatch(head string) string {
	return fmt.Sprintf("the hook is called as %s, but is defined as %s; see: dsengine docs %s", h.Signature(), head, h.Name)
}

// Signature is how it is called: consume(ctx, item).
func (h *Hook) Signature() string {
	names := make([]string, len(h.Params))
	for i, p := range h.Params {
		names[i] = p.Name
	}
	return h.Name + "(" + strings.Join(names, ", ") + ")"
}
