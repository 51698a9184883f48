package main

import (
	"strings"
)

// fileTable is a table of the file of settings. The lists of this file say what there is:
// what is read, proposed and documented goes by them.
type fileTable struct {
	Name string // "" for the top; connections.NAME is one of many
	Doc  string
	Keys []fileKey
}

// fileKey is a setting of the file.
type fileKey struct {
	Name, Type, Default string
	Env                 string // the variable that wins
	Example             string
	Doc                 string // "": that of its flag, as is the default
	Several             bool   // a list or a table may stand there, too
}

// refType is how a secret is written.
const refType = `text, {env = "NAME"} or {file = "path"}`

var fileTables = []fileTable{
	{"", "At the top, above the first table.", []fileKey{
		{Name: "db", Type: "text", Env: "DSENGINE_DB", Example: `db = "mysql://user@host:3306/name"`},
		{Name: "jobs", Type: "text", Env: "DSENGINE_JOBS", Example: `jobs = "jobs"`},
		{Name: "files", Type: "text", Env: "DSENGINE_FILES", Example: `files = "."`},
		{Name: "output", Type: "text", Env: "DSENGINE_OUTPUT", Example: `output = "json"`},
		{Name: "prefix", Type: "text", Env: "DSENGINE_PREFIX", Example: `prefix = "ds_"`},
		{Name: "verbose", Type: "true or false", Env: "DSENGINE_VERBOSE", Example: `verbose = true`},
	}},
	{"run", "What dsengine run does.", []fileKey{
		{Name: "name", Type: "text", Env: "DSENGINE_NAME", Example: `name = "importer-1"`},
		{Name: "types", Type: "list of texts", Env: "DSENGINE_TYPES", Example: `types = ["crm/*"]`, Several: true},
		{Name: "phases", Type: "list of texts", Env: "DSENGINE_PHASES", Example: `phases = ["consume"]`, Several: true},
		{Name: "slots", Type: "table of numbers", Env: "DSENGINE_SLOTS", Example: `slots = {"airports.consume" = 8}`, Several: true},
		{Name: "drain", Type: "length of time", Env: "DSENGINE_DRAIN", Example: `drain = "30s"`},
		{Name: "lease", Type: "length of time", Env: "DSENGINE_LEASE", Example: `lease = "15s"`},
		{Name: "batch", Type: "number", Env: "DSENGINE_BATCH", Example: `batch = 1000`},
		{Name: "poll", Type: "length of time", Env: "DSENGINE_POLL", Example: `poll = "1s"`},
		{Name: "connections", Type: "number", Env: "DSENGINE_CONNECTIONS", Example: `connections = 32`},
	}},
	{"needs", "What scripts may say that they need. It narrows: a script still has to say it. See dsengine docs needs.", []fileKey{
		{Name: "allow", Type: "list of texts", Default: "all", Example: `allow = ["files:**"]`, Doc: "lines as in needs: what is not among them is refused"},
		{Name: "deny", Type: "list of texts", Default: "[]", Example: `deny = ["files:private/**"]`, Doc: "lines as in needs: these are refused, also of what allow has"},
		{Name: "types", Type: "table of such tables", Example: `types."crm/*" = {allow = ["files:crm/**", "db:crm"]}`, Doc: "allow and deny for the job types whose names match a glob, besides those above"},
	}},
	{"secrets", "Secrets by their names. See dsengine docs secrets.", []fileKey{
		{Name: "NAME", Type: refType, Env: "DSENGINE_SECRET_NAME", Example: `crm_token = {file = "/run/secrets/crm"}`, Doc: "where a secret is: in a variable, in a file, or here, if nobody else may read this file"},
	}},
	{"mail", "The server that takes mail on, for notify.email.", []fileKey{
		{Name: "host", Type: "text", Env: "DSENGINE_MAIL_HOST", Example: `host = "smtp.example.com"`, Doc: "the server; without it no mail is sent"},
		{Name: "port", Type: "number", Default: "587", Env: "DSENGINE_MAIL_PORT", Example: `port = 587`, Doc: "its port; with tls = \"tls\" 465, with \"none\" 25, if nothing is said"},
		{Name: "user", Type: "text", Env: "DSENGINE_MAIL_USER", Example: `user = "imports"`, Doc: "who logs in; without it nobody does"},
		{Name: "password", Type: refType, Env: "DSENGINE_MAIL_PASSWORD", Example: `password = {env = "SMTP_PASSWORD"}`, Doc: "the password"},
		{Name: "from", Type: "text", Env: "DSENGINE_MAIL_FROM", Example: `from = "Imports <imports@example.com>"`, Doc: "whom mail is from"},
		{Name: "tls", Type: "text", Default: `"starttls"`, Env: "DSENGINE_MAIL_TLS", Example: `tls = "starttls"`, Doc: "\"starttls\" (without encryption no mail is sent), \"tls\" from the beginning, or \"none\""},
	}},
	{"connections.NAME", "Another database, or a server of files, by the name that scripts use. See dsengine docs connections.", []fileKey{
		{Name: "url", Type: "text", Env: "DSENGINE_CONNECTION_NAME", Example: `url = "sftp://importer@files.example.com/outgoing"`, Doc: "where it is: mysql://user:password@host:3306/name, sqlite:PATH, sftp://user@host:22/folder, ftp://user@host/folder or ftps://; the rest of the table is for servers of files"},
		{Name: "password", Type: refType, Example: `password = {file = "bank.password"}`, Doc: "the user's password"},
		{Name: "key", Type: refType, Example: `key = {file = "id_ed25519"}`, Doc: "a private key to log in with (SFTP)"},
		{Name: "passphrase", Type: refType, Example: `passphrase = {env = "BANK_PASSPHRASE"}`, Doc: "that of the key"},
		{Name: "fingerprint", Type: "text", Example: `fingerprint = "SHA256:..."`, Doc: "that of the server's host key (SFTP), or of its certificate (FTP); several are separated by spaces. Without it known_hosts must have the host key, or the system must trust the certificate"},
		{Name: "known_hosts", Type: "text", Default: "the user's", Example: `known_hosts = "known_hosts"`, Doc: "a file of host keys as OpenSSH has it (SFTP)"},
		{Name: "tls", Type: "text", Default: `"starttls"`, Example: `tls = "starttls"`, Doc: "of FTP: \"starttls\", \"tls\" from the beginning (as ftps:// says), or \"none\""},
	}},
	{"s3.NAME", "A bucket, by the name that scripts use. See dsengine docs connections.", []fileKey{
		{Name: "endpoint", Type: "text", Env: "DSENGINE_S3_NAME_ENDPOINT", Example: `endpoint = "https://s3.example.com"`, Doc: "the URL of the store; without it that of Amazon in the region"},
		{Name: "region", Type: "text", Default: "of the endpoint", Env: "DSENGINE_S3_NAME_REGION", Example: `region = "eu-central-1"`, Doc: "the region"},
		{Name: "bucket", Type: "text", Env: "DSENGINE_S3_NAME_BUCKET", Example: `bucket = "acme-archive"`, Doc: "the bucket's own name; without it scripts say which, as NAME/BUCKET"},
		{Name: "access_key", Type: refType, Env: "DSENGINE_S3_NAME_ACCESS_KEY", Example: `access_key = {env = "ARCHIVE_ACCESS_KEY"}`, Doc: "who asks; without keys nobody in particular does"},
		{Name: "secret_key", Type: refType, Env: "DSENGINE_S3_NAME_SECRET_KEY", Example: `secret_key = {file = "/run/secrets/archive"}`, Doc: "the key that goes with it"},
		{Name: "token", Type: refType, Env: "DSENGINE_S3_NAME_TOKEN", Example: `token = {env = "ARCHIVE_TOKEN"}`, Doc: "a session's token, where there is one"},
	}},
}

// The settings that flags have too, and the tables.
var (
	globalSettings = fileTableOf("").names()
	runSettings    = fileTableOf("run").names()
	tableNames     = func() (names []string) {
		for _, t := range fileTables[1:] {
			names = append(names, firstOf(t.Name))
		}
		return names
	}()
)

// fileTableOf is the table of a name, as it is in fileTables; nil for none.
func fileTableOf(name string) *fileTable {
	for i := range fileTables {
		if fileTables[i].Name == name {
			return &fileTables[i]
		}
	}
	return nil
}

// names are those of a table's settings.
func (t *fileTable) names() (names []string) {
	for _, k := range t.Keys {
		names = append(names, k.Name)
	}
	return names
}

// keyOf is a setting by its name with its table, as in run.drain; nil for none.
func keyOf(name string) *fileKey {
	table, plain := "", name
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		table, plain = name[:dot], name[dot+1:]
	}
	if t := fileTableOf(table); t != nil {
		for i := range t.Keys {
			if t.Keys[i].Name == plain {
				return &t.Keys[i]
			}
		}
	}
	return nil
}

// example shows how a table is written.
func (t *fileTable) example() string {
	lines := []string{}
	if t.Name != "" {
		lines = append(lines, "["+strings.Replace(t.Name, "NAME", map[string]string{"connections.NAME": "bank", "s3.NAME": "archive"}[t.Name], 1)+"]")
	}
	for _, k := range t.Keys {
		lines = append(lines, k.Example)
	}
	return strings.Join(lines, "\n")
}
