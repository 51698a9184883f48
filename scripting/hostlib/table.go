package hostlib

import "slices"

// Modules are the modules that scripts have.
var Modules = []*Module{
	csvModule, jsonModule, xmlModule, filesModule, dbModule, stateModule, varsModule, logModule, timeModule,
	mathModule, iterModule, httpModule, reModule, hashModule, base64Module, uuidModule, decimalModule,
	secretsModule, notifyModule, recordsModule, parquetModule, htmlModule, s3Module, xlsxModule, sftpModule, ftpModule,
}

// Types are the types of the objects that scripts meet.
var Types = []*ObjectType{
	ctxType, windowType, errType, summaryType, fileType, entryType, writtenType, nodeType, statsType, connectionType, timeType, durationType,
	policyType, responseType, clientType, pageType, oauth2Type, patternType, matchType, decimalType,
	elementType, objectType, s3StreamType, bucketType, serverType, remoteFileType,
}

// later is what scripts will have and this version does not: names by where
// they belong, "" for modules and globals. At present there are none.
var later = map[string][]string{}

func init() {
	for _, m := range Modules {
		for _, f := range m.Funcs {
			f.Module = m.Name
		}
	}
	for _, t := range Types {
		for _, f := range t.Methods {
			f.Module = t.Name
		}
	}
}

// ModuleNamed is the module of a name, or nil.
func ModuleNamed(name string) *Module {
	for _, m := range Modules {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// GlobalNamed is the global function of a name, or nil.
func GlobalNamed(name string) *Func { return findFunc(Globals, name) }

// CtxType is the type of ctx.
func CtxType() *ObjectType { return ctxType }

// IsLater says whether a later version has the name; of is its module or type,
// "" for modules and globals.
func IsLater(of, name string) bool { return slices.Contains(later[of], name) }

// Undefined is the error about a name that is neither a module nor a global.
// others are the names that the script has besides.
func Undefined(name string, others []string) error {
	if IsLater("", name) {
		return notYet(name)
	}
	if what := Elsewhere(name); what != "" {
		return Errorf("usage", "undefined: %s: %s", name, what)
	}
	names := funcNames(Globals)
	for _, m := range Modules {
		names = append(names, m.Name)
	}
	return Errorf("usage", "undefined: %s%s", name, Suggest(name, append(names, others...)))
}

// Elsewhere says of a name that other languages have, and scripts have not, what to
// use instead; "" of all others. A name that a module does not have has that before it.
func Elsewhere(name string) string { return elsewhere[name] }

var elsewhere = map[string]string{
	"sum":        "use math.sum(list)",
	"round":      "use math.round(x)",
	"pow":        "use math.pow(x, y)",
	"open":       "use files.read(path), or csv.read, json.lines, files.lines for what is large",
	"assert":     "if not x: error(message) stops a hook; in tests, t.ok(x) and t.eq(got, want)",
	"input":      "nobody is there to ask; a job gets its payload as item, or ctx.payload",
	"map":        "use iter.map(fn, list), or [fn(x) for x in list]",
	"filter":     "use iter.filter(fn, list), or [x for x in list if fn(x)]",
	"datetime":   "use time.now() in a test, ctx.now() in a hook, time.parse(text) for texts",
	"date":       "use time.parse(text), and ctx.now() for the time that it is",
	"requests":   "use http.get(url), http.post(url, json = ...)",
	"urllib":     "use http.get(url)",
	"os":         "use files.list(glob), files.read(path) for files, and secrets.get(name) for what the environment has as DSENGINE_SECRET_NAME",
	"sys":        "there is nothing of the kind: a script logs by log.info(...), and fails by error(message)",
	"logging":    "use log.info(message)",
	"isinstance": "use type(x) == \"string\"",
	"frozenset":  "use set(list)",
	"Exception":  "error(message) stops the hook",
	"Decimal":    "use decimal.of(text)",

	"base64.b64decode": "use base64.decode(text)",
	"base64.b64encode": "use base64.encode(data)",
	"csv.DictReader":   "use csv.read(path), whose rows have names",
	"csv.DictWriter":   "use csv.write(path, rows)",
	"csv.reader":       "use csv.read(path), and with header = False for rows without names",
	"csv.writer":       "use csv.write(path, rows)",
	"db.commit":        "what a hook writes is committed when it ends, and by ctx.checkpoint()",
	"db.execute":       "use db.query(sql, ...) for what gives rows, db.exec(sql, ...) for all else",
	"decimal.Decimal":  "use decimal.of(text)",
	"files.open":       "use files.read(path), or csv.read, json.lines, files.lines for what is large",
	"json.dump":        "use files.write(path, json.encode(value))",
	"json.dumps":       "use json.encode(value)",
	"json.load":        "use json.decode(files.read(path)), or json.lines(path), json.stream(path) for what is large",
	"json.loads":       "use json.decode(text)",
	"json.parse":       "use json.decode(text)",
	"json.stringify":   "use json.encode(value)",
	"time.strftime":    "use time.now().format(format)",
	"time.strptime":    "use time.parse(text, format)",
	"time.time":        "use time.now().unix",
	"uuid.uuid4":       "use uuid.v4()",
}
