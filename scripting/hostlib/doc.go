// Package hostlib is what every script can call, whatever its language: the
// modules (csv, db, files, ...), the globals (job, error, catch, retry), ctx,
// and the objects that they give out.
//
// It is one table. Each function, attribute and method is declared once, as a
// Func or an Attr: name, parameters, doc, example, what it needs and what it
// changes, and the Go code. From the table come the bindings of each language,
// the checks at load, and later docs, editor stubs and mocks.
//
// A map:
//
//	value.go func.go table.go  values, entries of the table, the table
//	call.go bind.go            one execution of a script; how functions are called
//	errors.go load.go suggest.go
//	                           how things fail, and what is said about it
//	static.go report*.go       what can be said of scripts that are not run
//	needs.go settings.go       what job() says, read and checked
//	csv.go json.go ...         one file per module; ctx.go, globals.go
//	http.go httpclient.go httppaginate.go httpnext.go httpanswer.go
//	                           the module http: functions, clients, pages, answers
//	httpsend.go httpaddr.go    how a request is sent, with retries; whom it may reach
//	s3.go s3store.go s3read.go s3write.go
//	                           the module s3: functions, stores and their tries, what is read, what is written
//	xlsx.go xlsxrows.go xlsxbook.go xlsxcell.go
//	                           the module xlsx: functions and writing, rows, the parts of a book, values of cells
//	sftp.go ftp.go             how those are spoken
//	remote.go remotefile.go remotetable.go
//	                           servers of files: what can be done with them
//	remoteconnect.go remoteline.go
//	                           how they are reached, and how nothing waits for ever
//	failure.go hooks.go        the objects err and summary; what hooks are called with
//	stream.go                  what csv, json, xml and files read from
//	csvreader.go jsontext.go jsonstream.go xmlreader.go xmlpath.go
//	                           the formats themselves
//	parquet*.go thrift.go      Parquet: schema, pages, values, rows; what is written
//	html.go htmlparse.go htmltable.go
//	                           HTML: elements, how pages are parsed, tables
//	archive.go spool.go seekable.go filewrite.go rowswrite.go
//	                           packed files, streams as temporary files, files that are written, and rows in them
//
// Traps worth knowing:
//
//   - A Value may be of the script's own language, untouched. Ask Call.Lang for
//     its plain form; parameters of all types but Any have been converted.
//   - An iterator that fails where the language cannot see it must end the hook:
//     the language's own loop calls engine.Call.Poison.
//   - A language calls Call.Finish when its hook has ended well.
//   - Nothing here may be named by a keyword of Starlark or of Lua.
package hostlib
