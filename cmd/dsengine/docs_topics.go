package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// topics are pages about what is no single name.
var topics = []struct {
	name string
	page func() *docPage
}{
	{"connections", docConnections},
	{"needs", docNeeds},
	{"rejects", docRejects},
	{"secrets", docSecrets},
	{"settings", docSettings},
}

// topicNamed is the page of a topic, or nil.
func topicNamed(name string) *docPage {
	for _, t := range topics {
		if t.name == name {
			page := t.page()
			page.Name, page.Kind = name, "topic"
			return page
		}
	}
	return nil
}

func docConnections() *docPage {
	return &docPage{
		Doc: "What scripts reach outside of the job database and the files folder has a name that the operator gives it in dsengine.toml, with where it is and who logs in: scripts hold neither. A script says by needs which of them it uses. What is there in the environment (DSENGINE_CONNECTION_NAME: the name in capitals, _ for all but letters and digits) wins over the file, and suffices. dsengine doctor tells of what scripts need and nobody has named, and whether databases let it in. All that a table may have: dsengine docs settings.",
		Groups: []docGroup{{
			Title:  "other databases: db.connect(name)",
			Doc:    "MySQL and MariaDB, mysql://user:password@host:3306/name, and files of SQLite, sqlite:PATH, relative to dsengine.toml. What comes is a connection (dsengine docs connection), with the functions of db and scan, which reads a table of any length by its key. Its transaction commits just before the job's own, at each checkpoint and at the end: rows there are written at least once, so write by key, as upsert does. The job database itself is db, and cannot be named.",
			Config: "[connections.crm]\nurl = \"mysql://reader@crm.example.com:3306/crm\"",
			Example: `job(needs = ["db:crm"])

def consume(ctx, item):
    crm = db.connect("crm")
    for rows in ctx.batches(crm.scan("people", by = "id"), 1000):
        db.upsert("people", rows, key = ["id"])`,
			Lua: `job({needs = {"db:crm"}})

function consume(ctx, item)
  local crm = db.connect("crm")
  for rows in ctx.batches(crm.scan("people", {by = "id"}), 1000) do
    db.upsert("people", rows, {key = {"id"}})
  end
end`,
		}, {
			Title:  "servers of files: sftp.connect(name), ftp.connect(name)",
			Doc:    "sftp://user@host:22/folder, ftp://user@host/folder (with encryption unless tls = \"none\" says otherwise), ftps://. A server is known by its host key or certificate: without fingerprint, known_hosts of the user must have the key. dsengine says what it is when it refuses one.",
			Config: "[connections.bank]\nurl = \"sftp://importer@files.bank.example/outgoing\"\npassword = {file = \"bank.password\"}  # or key = {file = \"id_ed25519\"}\nfingerprint = \"SHA256:...\"",
			Example: `job(every = "1h", needs = ["sftp:bank"])

def produce(ctx):
    for f in sftp.connect("bank").list("payments/*.csv"):
        ctx.emit({"path": f.path}, key = f.path + "@" + f.modified, unique = "forever")

def consume(ctx, item):
    db.upsert("payments", csv.read(sftp.connect("bank").open(item["path"])), key = ["id"])`,
			Lua: `job({every = "1h", needs = {"sftp:bank"}})

function produce(ctx)
  for _, f in ipairs(sftp.connect("bank").list("payments/*.csv")) do
    ctx.emit({path = f.path}, {key = f.path .. "@" .. f.modified, unique = "forever"})
  end
end

function consume(ctx, item)
  db.upsert("payments", csv.read(sftp.connect("bank").open(item.path)), {key = {"id"}})
end`,
		}, {
			Title:  "buckets: s3.list(name), s3.open(name, key)",
			Doc:    "Of Amazon, or of any other store that speaks its protocol.",
			Config: "[s3.archive]\nendpoint = \"https://s3.eu-central-1.amazonaws.com\"\nbucket = \"acme-archive\"\naccess_key = {env = \"ARCHIVE_ACCESS_KEY\"}\nsecret_key = {file = \"/run/secrets/archive\"}",
			Example: `job(every = "1h", needs = ["s3:archive"])

def produce(ctx):
    for o in s3.list("archive", "incoming/"):
        ctx.emit({"key": o.key, "etag": o.etag}, key = o.key + "@" + o.etag, unique = "forever")

def consume(ctx, item):
    db.upsert("orders", csv.read(s3.open("archive", item["key"], etag = item["etag"])), key = ["id"])`,
			Lua: `job({every = "1h", needs = {"s3:archive"}})

function produce(ctx)
  for o in s3.list("archive", "incoming/") do
    ctx.emit({key = o.key, etag = o.etag}, {key = o.key .. "@" .. o.etag, unique = "forever"})
  end
end

function consume(ctx, item)
  db.upsert("orders", csv.read(s3.open("archive", item.key, {etag = item.etag})), {key = {"id"}})
end`,
		}, {
			Title:  "mail: notify.email(to, subject, text)",
			Doc:    "One server takes all mail on.",
			Config: "[mail]\nhost = \"smtp.example.com\"\nuser = \"imports\"\npassword = {env = \"SMTP_PASSWORD\"}\nfrom = \"Imports <imports@example.com>\"",
			Example: `job(needs = ["mail:*@example.com"])

def consume(ctx, item):
    n = db.value("SELECT count(*) FROM orders WHERE paid = 0")
    if n:
        notify.email("ops@example.com", "Unpaid orders", "There are %d." % n)`,
			Lua: `job({needs = {"mail:*@example.com"}})

function consume(ctx, item)
  local n = db.value("SELECT count(*) FROM orders WHERE paid = 0")
  if n > 0 then
    notify.email("ops@example.com", "Unpaid orders", "There are " .. n .. ".")
  end
end`,
		}},
	}
}

func docNeeds() *docPage {
	kinds := docGroup{Title: "kinds"}
	for _, k := range hostlib.NeedKinds {
		doc := k.Doc
		if users := usersOf(k.Name); len(users) > 0 {
			doc += " It is asked for by: " + strings.Join(users, ", ") + "."
		}
		kinds.Names = append(kinds.Names, docLine{Name: strings.Join(k.Forms, ", "), Doc: doc})
	}
	return &docPage{
		Doc: "What a script may touch is what job(needs = [...]) says, a line each; all else is refused, with the line to add. dsengine check finds what is missing without a run, dsengine plan NAME tells what is used. Names may be globs: \"secret:crm_*\"; {instance} in them stands for the name of the job's instance. The environment, other files and programs cannot be reached at all.",
		Example: `job(needs = ["files:incoming/*.csv", "http:api.example.com", "secret:api_token", "db:crm:write"])

def consume(ctx, item):
    token = secrets.get("api_token")
    rows = http.get("https://api.example.com/prices", auth = token).json()
    db.connect("crm").upsert("prices", rows, key = ["id"])
    db.upsert("products", csv.read("incoming/products.csv"), key = ["id"])`,
		Lua: `job({needs = {"files:incoming/*.csv", "http:api.example.com", "secret:api_token", "db:crm:write"}})

function consume(ctx, item)
  local token = secrets.get("api_token")
  local rows = http.get("https://api.example.com/prices", {auth = token}).json()
  db.connect("crm").upsert("prices", rows, {key = {"id"}})
  db.upsert("products", csv.read("incoming/products.csv"), {key = {"id"}})
end`,
		Groups: []docGroup{kinds, {
			Title: "where hosts may be", Doc: hostlib.NeedAddresses,
		}, {
			Title:  "what the operator allows",
			Doc:    "[needs] in dsengine.toml narrows what scripts may say. Where there is allow, a line that it does not have is refused; deny refuses what allow has, too. A table of types does so for job types by globs of their names, besides the one above. A script that asks for more does not load, and is told who refuses it; of a glob that is only in part denied, the part is refused when it is touched.",
			Config: "[needs]\nallow = [\"files:**\", \"http:*.example.com\", \"db:crm\", \"db:crm:write\", \"secret:*\"]\ndeny = [\"files:private/**\"]\n\n[needs.types.\"crm/*\"]\nallow = [\"files:crm/**\", \"db:crm\", \"db:crm:write\"]",
		}},
	}
}

// usersOf are the modules and global functions that take a kind of needs.
func usersOf(kind string) (names []string) {
	for _, m := range hostlib.Modules {
		if slices.ContainsFunc(m.Funcs, func(f *hostlib.Func) bool { return f.Needs == kind }) {
			names = append(names, m.Name)
		}
	}
	return names
}

func docSecrets() *docPage {
	return &docPage{
		Doc: "Passwords, tokens and keys stand in no script: it gets them by secrets.get(name), and job(needs = [\"secret:NAME\"]) says which. The environment is asked first (DSENGINE_SECRET_NAME: the name in capitals, _ for all but letters and digits), then [secrets] of dsengine.toml. A file is read each time, so that it can be replaced while servers run. A line end at the end of it is none of the secret. One in dsengine.toml itself is taken only where no other user may read the file.",
		Example: `job(needs = ["secret:api_token", "http:api.example.com"])

def consume(ctx, item):
    token = secrets.get("api_token")
    db.upsert("orders", http.get("https://api.example.com/orders", auth = token).json(), key = ["id"])`,
		Lua: `job({needs = {"secret:api_token", "http:api.example.com"}})

function consume(ctx, item)
  local token = secrets.get("api_token")
  db.upsert("orders", http.get("https://api.example.com/orders", {auth = token}).json(), {key = {"id"}})
end`,
		Groups: []docGroup{{
			Title: "where they are", Doc: "Passwords of connections, buckets and mail are written in the same ways.",
			Config: "[secrets]\napi_token = {env = \"API_TOKEN\"}\ncrm_token = {file = \"/run/secrets/crm\"}",
		}, {
			Title: "what becomes of them", Doc: "They are struck out of what dsengine shows and keeps, as is told of the module below. To keep one in state or vars, or in a key, is an error. Tests give secrets of their own: t.secret(\"api_token\", \"abcdefgh\").",
		}},
	}
}

func docRejects() *docPage {
	return &docPage{
		Doc: "A row that cannot be used need not stop an import: it is set aside, with its reason, source and line, and the others go on. Once the script is mended, exactly those rows are run again. A row is kept when the hook commits; of a hook that fails for too many of them, they are kept as \"rolled back\", to be looked at.",
		Groups: []docGroup{{
			Title: "how a row is rejected", Doc: "By reject(row, reason), which gives None, and writers leave that out; by readers and writers with on_bad = \"reject\" (csv.read, db.upsert and their like). The setting rejects bounds them: job(rejects = \"10%\") of the rows read is the default, a number or \"all\" are possible. Above it the job fails at once, without another attempt: batches that it has committed stay. jobs show counts them.",
			Example: `job(needs = ["files:incoming/*.csv"], rejects = "5%")

def clean(r):
    if type(r) != "dict" or not r.get("amount"):
        return reject(r, "no amount")
    return {"id": r["id"], "amount": float(r["amount"])}

def consume(ctx, item):
    db.ensure("orders", {"id": "text", "amount": "float"}, key = ["id"])
    for rows in ctx.batches(csv.read(item["path"], on_bad = "reject"), 1000):
        db.upsert("orders", [clean(r) for r in rows], key = ["id"])

def redrive(ctx, rows):
    for batch in ctx.batches(rows, 1000):
        db.upsert("orders", [clean(r) for r in batch], key = ["id"])`,
			Lua: `job({needs = {"files:incoming/*.csv"}, rejects = "5%"})

local function clean(r)
  if type(r) ~= "table" or not r.amount or r.amount == "" then
    return reject(r, "no amount")
  end
  return {id = r.id, amount = tonumber(r.amount)}
end

function consume(ctx, item)
  db.ensure("orders", {id = "text", amount = "float"}, {key = {"id"}})
  for rows in ctx.batches(csv.read(item.path, {on_bad = "reject"}), 1000) do
    db.upsert("orders", iter.map(clean, rows), {key = {"id"}})
  end
end

function redrive(ctx, rows)
  for batch in ctx.batches(rows, 1000) do
    db.upsert("orders", iter.map(clean, batch), {key = {"id"}})
  end
end`,
		}, {
			Title: "how rows are redriven", Doc: "dsengine rejects redrive makes jobs that run the open rows again, up to 10,000 rows each; dsengine run works them. They go to the hook redrive(ctx, rows) of the script. Without that hook rows that were whole items go to consume again, a job each, and others cannot be redriven. A row that is rejected again is a new reject; those of a job that fails are open again. Of a job that failed for too many rejects, those of its committed batches are redriven first; then dsengine jobs retry ID goes on where it stopped. What needs nothing more is closed, by dsengine rejects close. In a test: t.redrive().",
			Commands: []string{
				"dsengine rejects list --type orders --open",
				"dsengine rejects export --type orders --format csv --to rejects.csv",
				"dsengine rejects redrive --type orders",
				"dsengine rejects close --type orders --before 7d",
				"dsengine run --until-idle",
			},
		}},
	}
}

// docSettings is the page of all settings of the file, from fileTables.
func docSettings() *docPage {
	page := &docPage{Doc: "What a process is told, by dsengine.toml in the folder where it starts (--config, DSENGINE_CONFIG: another file). A flag wins over the environment, the environment over the file. Paths in the file are relative to it. A length of time is written like \"90s\", \"5m\" or \"1h30m\". With a password in it, no other user may read the file. dsengine doctor says whether all can be used. What a script says of itself by job(...) is told by dsengine docs job."}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&globals{}).flags(flags)
	o := newRunOptions()
	o.flags(flags)
	for i := range fileTables {
		t := &fileTables[i]
		g := docGroup{Title: "[" + t.Name + "]", Doc: t.Doc, Config: t.example()}
		if t.Name == "" {
			g.Title = "the top"
		}
		for _, k := range t.Keys {
			s := settingDoc{SettingDoc: hostlib.SettingDoc{Name: k.Name, Type: k.Type, Default: k.Default, Doc: k.Doc}, Env: k.Env, Example: k.Example}
			if k.Doc == "" {
				s.Doc, s.Default = flagDoc(flags.Lookup(k.Name))
			}
			g.Settings = append(g.Settings, s)
		}
		page.Groups = append(page.Groups, g)
	}
	return page
}

// settingDoc is a setting of the file.
type settingDoc struct {
	hostlib.SettingDoc
	Env     string `json:"env,omitempty"`
	Example string `json:"example"`
}

var (
	flagDefault = regexp.MustCompile(`(?s)^(.*?) \(default:? (.*)\)$`)
	flagForm    = regexp.MustCompile("(?s): (a )?`[^`]*`( \\(repeatable\\))?$") // said last
)

// flagDoc is what a flag tells of itself, and its default.
func flagDoc(f *pflag.Flag) (doc, def string) {
	doc, def = f.Usage, f.DefValue
	if m := flagDefault.FindStringSubmatch(doc); m != nil {
		doc, def = m[1], m[2]
	}
	if def == "[]" {
		def = "all"
	}
	return strings.NewReplacer("`", "", "\n", " ").Replace(flagForm.ReplaceAllString(doc, "")), def
}
