package luascript

// Doc is a line about something that Lua has of its own.
type Doc struct {
	Name  string // of a function: how it is called
	Doc   string
	Takes string // of which types a function's arguments are; see notTaken. ? is one that may be left out, ... any others
}

// Differences are what is another way in job scripts than in Lua 5.1, whose syntax they
// have, with goto.
var Differences = []Doc{
	{"arguments", "What is given by name is a table after the other arguments: ctx.emit(item, {key = \"a\"}). Methods take a dot or a colon.", ""},
	{"null", "It stands for NULL and JSON's null in rows, lists and dicts, where nil cannot be. is_null(v) is true for it and for nil; if null then is true, as for each value but nil and false; null has no elements. What a function gives, and an argument, is nil where there is nothing. What is nil is not in a table: the row {sku = sku, weight = p.get(\"weight\")} has no column weight where p.get gives nil, and db.upsert and db.merge leave in the table what was there. For NULL, write or null: weight = p.get(\"weight\") or null.", ""},
	{"rows", "A row of csv, xlsx, parquet or the database has its columns and no others: row.nmae is an error, not nil. rawget(row, \"name\") ~= nil asks whether it has one. A column that is set to nil is nil, and written as NULL, as an error where the table has no such column: what is to be left out stays out of csv.read(path, {columns = {...}}), or of a new table. Dicts of JSON give nil for what they do not have.", ""},
	{"lists, dicts", "A table with elements 1, 2, 3 and so on is a list, without gaps; one with names is a dict; one with both, or with other numbers (rows[0]), is an error where data or a list is wanted. An empty one is what is wanted there, else {} in JSON: json.array() and json.object() say what it is. One that comes from outside stays what it was.", ""},
	{"numbers", "Numbers are floats, exact up to 2^53. Larger whole numbers (of JSON, the database, tonumber, text that is calculated with, or as they are written in the script) are exact, calculate exactly with + - * % and unary -, and are keys of tables by their value; / and ^ give floats. == takes any two such numbers. < and its like take two of them, or one that is written there (id < 9223372036854775807); with another number, which lies below, they are an error, from the first such id on: math.compare(a, b) < 0 takes any two, so compare ids by it. What is calculated from numbers alone is rounded beyond 2^53: decimal.of(12345) * 1000000000000 + n is exact, and goes into columns of integers; for these, db.insert and its like refuse a float of 2^53 or more, as several whole numbers are the same there; a ? takes it as it is. A float beyond 2^53, as 2 ^ 60 gives, is == to no such number, and another key; math.compare tells that it is the same. A for loop counts in floats.", ""},
	{"booleans", "A boolean column of the database comes back as 1 or 0, on every database, and 0 counts as true in Lua: write row.blocked == 1, not row.blocked, nor == true.", ""},
	{"strings", "They hold any bytes. One that is no UTF-8 is bytes for the database; in JSON it is an error: base64.encode(s). #s and string.sub count bytes. A string has at most 256 MB.", ""},
	{"loops", "for x in it do goes through an iterator once, and closes it, also by break, return and errors; ipairs and pairs take tables alone. list(it) makes a table of it.", ""},
	{"errors", "error(message, {code = ..., retryable = false}) raises one; pcall, xpcall and catch give an object with message, code, kind, retryable, backtrace. What a function that is caught wrote, emitted and set is undone. Time-outs, limits of steps and memory, and ctx.retry, snooze, cancel and fail are never caught.", ""},
	{"coroutines", "coroutine.resume(co, ...) gives true and what co yields or returns; an error in co is raised from it, as from a function that coroutine.wrap made, with co's own call stack: pcall catches it. A time-out or limit ends the hook wherever it happens. yield works within pcall, metamethods and loops. While a coroutine waits within a pcall in which it has written something (rows, state, items, counts), writing outside of that pcall is an error that no pcall catches, since it would be undone with it; reading and yielding there is fine. What it wrote stays if the hook ends before it. Up to 1000 that have not ended may be there; those that the hook leaves are ended with it.", ""},
	{"globals", "They are set at the top level alone, and read-only once the script is loaded, with all that can be reached from them, as are the variables around functions: hooks share nothing but by state and vars. A name that nobody has set is an error, not nil.", ""},
	{"require", "require(\"lib/x\") loads a helper file of the jobs folder once, at the top level, and gives what it returns, or its globals. Nothing else loads code.", ""},
	{"not there", "os, io, debug, package, load, loadstring, loadfile, dofile, module, collectgarbage, newproxy, getfenv, setfenv, math.random, string.dump. print goes to the job's log.", ""},
	{"patterns", "Lua's own; they count steps and end with the time-out. %w and its like know ASCII alone. re has regular expressions, whose \\w has the letters of all languages.", ""},
	{"table.sort", "It takes an order that contradicts itself for some order; it is no error. Numbers of any size have an order.", ""},
	{"#t", "Of a list with gaps it is one of the places before a gap.", ""},
}

// Bounds are what a script can take, and what cannot be bounded.
var Bounds = []Doc{
	{"steps", "The setting steps counts instructions of the interpreter, in coroutines and callbacks too. Functions that work for long (patterns, sort, concat, rep) count some for what they do.", ""},
	{"time", "The setting timeout ends a hook between two instructions, in functions that work for long, and while a function of dsengine waits. A single call that copies much memory runs to its end: milliseconds. So does an element that is set far behind the end of a list, up to 16 million: t[16000000] = 1 fills it up to there, which takes seconds on a busy machine.", ""},
	{"depth", "Functions call each other up to 1000 deep, in coroutines 200, tail calls aside. Up to 20,000 values are unpacked at once.", ""},
	{"memory", "Strings have at most 256 MB, data that is passed on 64 MB or 4 million values. Tables grow by the interpreter's own instructions, which no limit can reach. So the process's memory is looked at 100 times a second; when it is above half of what the machine, the control group, GOMEMLIMIT or ulimit -v leaves, the scripts that hold more than their share, and more than 64 MB, end with limit.memory. Not seen: what is taken between two looks (some 100 MB by a fast script; 256 MB, and as much again while they grow, by an element set far behind a list's end), objects of dsengine itself (iterators, documents, decimals), and memory that a script has let go of and that is not collected yet.", ""},
}

// Functions are those that Lua scripts have besides those of all scripts.
var Functions = []Doc{
	{"assert(v, message)", "Gives all its arguments, if v is neither nil nor false; else it is an error.", "any ..."},
	{"getmetatable(t)", "The metatable of a table that the script made, or nil.", "any"},
	{"ipairs(t)", "For loops over a list: for i, v in ipairs(t) do.", "table"},
	{"is_null(v)", "Whether v is null or nil.", "any?"},
	{"list(it)", "A table of what an iterator gives, or of a list.", "listed"},
	{"next(t, key)", "The key and the value that follow a key.", "table any?"},
	{"pairs(t)", "For loops over all elements: for k, v in pairs(t) do. First the list, then names as they were set.", "table"},
	{"pcall(fn, ...)", "true and what the function gives, or false and its error; what it wrote is undone then.", "any ..."},
	{"print(...)", "Writes a line into the job's log.", "..."},
	{"rawequal(a, b)", "Whether they are the same, without metamethods.", "any any"},
	{"rawget(t, key)", "An element, without metamethods.", "table any"},
	{"rawlen(t)", "The length, without metamethods.", "table"},
	{"rawset(t, key, v)", "Sets an element, without metamethods. What is read-only stays so.", "table any any"},
	{"require(name)", "What a helper file returns, or its globals.", "text"},
	{"select(n, ...)", "The arguments from the n-th on; select(\"#\", ...) counts them.", "place ..."},
	{"setmetatable(t, meta)", "Gives the table its metatable.", "table meta"},
	{"tonumber(v, base)", "A number, or nil. Whole numbers are exact; a decimal becomes the float that is next to it.", "any number?"},
	{"tostring(v)", "A text; that of __tostring if the metatable has it.", "any"},
	{"type(v)", "nil, null, boolean, number, string, table, function, thread, iterator, or how an object is called: decimal, time.", "any"},
	{"unpack(t, i, j), table.unpack(t, i, j)", "The elements of a list as values.", "table number? number?"},
	{"xpcall(fn, handler)", "pcall whose error goes through a function.", "any function"},
	{"coroutine.create(fn)", "A coroutine.", "function"},
	{"coroutine.resume(co, ...)", "Goes on with it: true and what it yields or returns. Its error is raised.", "any ..."},
	{"coroutine.running()", "The coroutine that runs; nil in the main part.", ""},
	{"coroutine.status(co)", "running, suspended, normal or dead.", "any"},
	{"coroutine.wrap(fn)", "A function that goes on with a coroutine.", "function"},
	{"coroutine.yield(...)", "Leaves the coroutine, with values for who goes on with it.", "..."},
	{"json.array(t)", "The table, or a new one, as a list also while it is empty.", "table?"},
	{"json.object(t)", "The same, as a dict.", "table?"},
	{"math.abs(x)", "As in Lua 5.1, and exact.", "number"},
	{"math.fmod(x, y), math.ldexp(x, e)", "As in Lua 5.1.", "number number"},
	{"math.modf(x), math.frexp(x), math.deg(x), math.rad(x)", "As in Lua 5.1. The other functions of Lua's math are those of the module math.", "number"},
	{"math.compare(a, b)", "-1, 0 or 1: which of two numbers is smaller, exactly, of any size.", "number number"},
	{"math.huge", "Infinity.", ""},
	{"math.max(...)", "The largest, exactly.", "number ..."},
	{"math.min(...)", "The smallest, exactly.", "number ..."},
	{"string.byte(s, i, j)", "Bytes as numbers.", "text number? number?"},
	{"string.char(...)", "A string of bytes.", "..."},
	{"string.find(s, pattern, from, plain)", "Where a pattern is found first: two places, and captures. Or nil.", "text pattern number? any?"},
	{"string.format(format, ...)", "A text: %d %i %u %c %x %X %o %e %E %f %g %G %q %s %%. %d takes whole numbers of any size.", "format ..."},
	{"string.gmatch(s, pattern)", "For loops over matches.", "text pattern"},
	{"string.gsub(s, pattern, by, n)", "The string with matches replaced by a text (%1 is a capture), an element of a table, or what a function gives; and their number.", "text pattern any number?"},
	{"string.len(s)", "Its bytes.", "text"},
	{"string.lower(s)", "In small letters; those of UTF-8 too.", "text"},
	{"string.match(s, pattern, from)", "The captures of the first match, or the match.", "text pattern number?"},
	{"string.rep(s, n, sep)", "It repeated.", "text number text?"},
	{"string.reverse(s)", "Its bytes backwards.", "text"},
	{"string.sub(s, i, j)", "A piece; negative places count from the end.", "text number number?"},
	{"string.upper(s)", "In capitals; those of UTF-8 too.", "text"},
	{"table.concat(t, sep, i, j)", "Its strings and numbers as one string.", "table text? number? number?"},
	{"table.insert(t, i, v)", "Inserts an element, at the end without i.", "table any any?"},
	{"table.maxn(t)", "The largest number that is a key.", "table"},
	{"table.pack(...)", "A list of values, with n.", "..."},
	{"table.remove(t, i)", "Takes out an element, the last one without i, and gives it.", "table number?"},
	{"table.sort(t, less)", "Sorts a list, by < or by a function.", "table function?"},
}
