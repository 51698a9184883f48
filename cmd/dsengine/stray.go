package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// otherNames are what people call settings elsewhere, by their names here.
var otherNames = map[string][]string{
	"db":            {"database", "database_url", "db_url", "url", "dsn", "store", "storage", "mysql", "mariadb", "sqlite"},
	"jobs":          {"jobs_dir", "jobs_folder", "jobs_path", "job", "scripts", "scripts_dir", "folder"},
	"files":         {"files_dir", "files_folder", "files_path", "data", "data_dir", "root", "dir"},
	"output":        {"format", "output_format"},
	"prefix":        {"table_prefix", "tables"},
	"verbose":       {"debug", "log", "log_level", "loglevel", "logging"},
	"run.name":      {"server", "server_name", "hostname", "host_name"},
	"run.types":     {"type", "only", "queues", "job_types"},
	"run.phases":    {"phase"},
	"run.slots":     {"slot", "workers", "worker", "concurrency", "threads", "parallel", "parallelism", "max_workers", "processes"},
	"run.drain":     {"grace", "grace_period", "shutdown", "shutdown_timeout", "drain_timeout"},
	"run.lease":     {"lease_time", "heartbeat", "ttl", "visibility_timeout"},
	"run.batch":     {"batch_size", "prefetch"},
	"run.poll":      {"interval", "poll_interval", "polling"},
	"[needs]":       {"need", "permissions"},
	"[secrets]":     {"secret", "passwords", "credentials"},
	"[mail]":        {"smtp", "email", "e-mail", "mailer"},
	"[connections]": {"connection", "databases", "dbs", "sources", "sftp", "ftp", "servers"},
	"[s3]":          {"aws", "buckets", "bucket", "storage_s3", "minio"},
}

// placeOf says where a setting, or a table, is written, and how.
func placeOf(name string) string {
	if table := strings.Trim(name, "[]"); table != name {
		for _, t := range fileTables {
			if firstOf(t.Name) == table {
				return fmt.Sprintf("it is written so: [%s] %s", t.Name, t.Keys[0].Example)
			}
		}
	}
	plain, inRun := strings.CutPrefix(name, "run.")
	place := "belongs to the top, above the first table"
	if inRun {
		place = "belongs into the table [run]"
	}
	return fmt.Sprintf("%s %s: %s", plain, place, keyOf(name).Example)
}

// stray is the error about a key of the file of settings that is none: with what was
// probably meant, where it belongs, or else what there is.
func stray(where, key string, value any) *engine.Error {
	table, last := "", key
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		table, last = key[:dot], key[dot+1:]
	}
	own, shown := settingsOf(table)
	err := func(like string) *engine.Error { return usage("%s: there is no setting %q%s", where, key, like) }
	plain := strings.ToLower(strings.ReplaceAll(last, "-", "_"))
	home := ""
	switch {
	case slices.Contains(globalSettings, plain):
		home = plain
	case slices.Contains(runSettings, plain):
		home = "run." + plain
	default:
		for _, name := range slices.Sorted(maps.Keys(otherNames)) {
			if slices.Contains(otherNames[name], plain) {
				home = name
				break
			}
		}
	}
	if inTable, ok := value.(map[string]any); ok && table == "run" && (home == "" || strings.HasPrefix(home, "[")) && hasPhase(inTable) {
		return err("").WithHint("slots of a job type are written so: [run] slots = {%q = 8}", last+".consume")
	}
	like := nearest(last, own)
	if like != "" {
		if table != "" {
			like = table + "." + like
		}
		like = fmt.Sprintf(" (did you mean %q?)", like)
	}
	switch {
	case firstOf(table) == "connections" && slices.Contains([]string{"user", "username", "host", "hostname", "port", "database", "name", "path"}, plain):
		return err("").WithHint("it stands in the url: url = \"mysql://user:password@host:3306/name\", sqlite:PATH, sftp://user@host/folder")
	case table == "mail" && slices.Contains([]string{"url", "server", "hostname", "smtp", "smtp_host", "smtp_server", "relay"}, plain):
		return err(" (did you mean \"mail.host\"?)").WithHint("%s", placeOf("[mail]"))
	case home != "" && homeTable(home) == table && plain != last: // Drain, or poll-interval
		return err(fmt.Sprintf(" (did you mean %q?)", home))
	case home != "" && (like == "" || homeTable(home) != table && plain == strings.TrimPrefix(home, "run.")):
		if !slices.Contains(globalSettings, plain) && !slices.Contains(runSettings, plain) {
			like = fmt.Sprintf(" (did you mean %q?)", home)
		} else {
			like = ""
		}
		return err(like).WithHint("%s", placeOf(home))
	case like != "":
		return err(like)
	case slices.Contains(hostlib.SettingNames(), plain):
		return err("").WithHint("%s is a setting of a job type: it stands in job(...) of its script; see dsengine docs job.%[1]s", plain)
	}
	for _, t := range fileTables[2:] {
		if firstOf(t.Name) != firstOf(table) && slices.Contains(t.names(), plain) {
			return err("").WithHint("%s belongs into the table [%s]", plain, t.Name)
		}
	}
	if table == "" {
		if like = hostlib.Suggest(key, tableNames); like != "" {
			return err(like)
		}
		shown = "there are: " + strings.Join(own, ", ") + "; and the tables " + strings.Join(tableNames, ", ")
	}
	if table == "" || table == "run" { // a misspelt word of elsewhere
		meant := nearest(plain, slices.Concat(slices.Collect(maps.Values(otherNames))...))
		for name, others := range otherNames {
			if len(plain) > 4 && slices.Contains(others, meant) {
				return err(fmt.Sprintf(" (did you mean %q?)", name)).WithHint("%s", placeOf(name))
			}
		}
	}
	return err("").WithHint("%s", shown)
}

// nearest is the name that was probably meant; "" if none is near.
func nearest(name string, names []string) string {
	for _, n := range names {
		if hostlib.Suggest(name, names) == fmt.Sprintf(" (did you mean %q?)", n) {
			return n
		}
	}
	return ""
}

func hasPhase(table map[string]any) bool {
	for k := range table {
		if _, err := engine.ParsePhase(k); err == nil {
			return true
		}
	}
	return false
}

// homeTable is the table in which a setting of otherNames stands.
func homeTable(home string) string {
	if strings.HasPrefix(home, "run.") {
		return "run"
	}
	return ""
}

func firstOf(key string) string { first, _, _ := strings.Cut(key, "."); return first }

// settingsOf are the settings of a table, "" being the top, and the sentence that
// says so.
func settingsOf(table string) (names []string, shown string) {
	first := firstOf(table)
	switch t := fileTableOf(first); {
	case table == "":
		return globalSettings, ""
	case t != nil: // [needs.types."crm/*"], too
		names = t.names()
	case first == table:
		return nil, fmt.Sprintf("each has a name: [%s.NAME]", first)
	default:
		names = fileTableOf(first + ".NAME").names()
	}
	return names, fmt.Sprintf("[%s] has: %s", table, strings.Join(names, ", "))
}
