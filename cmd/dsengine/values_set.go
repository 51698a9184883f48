package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

func runValuesSet(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	if engine.HiddenVariable(args[0]) {
		return usage("names that begin with %q are those of what http remembers: they can be deleted, not set", engine.HiddenVariables)
	}
	value, err := o.value(env, args[1:])
	if err == nil {
		err = engine.CheckVariable(args[0], value)
	}
	if err != nil {
		return err
	}
	g.tables.knowSecrets(env, "*")
	eng, scope, done, err := o.open(ctx, env, g, toMake)
	if err != nil {
		return err
	}
	defer done()
	if err := eng.SetVariable(ctx, scope, args[0], value); err != nil {
		return err
	}
	if g.json() {
		v, err := o.find(ctx, eng, scope, args[0])
		if err != nil {
			return err
		}
		return printJSON(env.Stdout, v)
	}
	env.say("%s %s %s", clean(args[0]), kindOf(value), clip(string(value), 100))
	return nil
}

// kindOf says what a value is, since what a person typed may be read in another
// way than it was meant.
func kindOf(value engine.Raw) string {
	switch value[0] {
	case '"':
		return "is the string"
	case '{':
		return "is the object"
	case '[':
		return "is the list"
	case 't', 'f', 'n':
		return "is"
	}
	return "is the number"
}

// maxValueText bounds the text of a value, in bytes: JSON may be written with
// much space.
const maxValueText = 16 * engine.MaxVariable

// value is the value that a person gave, as JSON.
func (o *valueOptions) value(env *Env, args []string) (engine.Raw, error) {
	text, where := "", "VALUE"
	switch {
	case o.Text && o.JSON:
		return nil, usage("give --string or --json, not both")
	case len(args) > 0 && o.File != "":
		return nil, usage("give a VALUE or --file, not both")
	case len(args) == 0 && o.File == "":
		return nil, usage("which value? Give a VALUE, - for standard input, or --file").WithHint("to forget a value: %s delete NAME", o.command())
	case o.File != "" || args[0] == "-":
		read, name, err := readValue(env, cmp.Or(o.File, "-"))
		if err != nil {
			return nil, err
		}
		text, where = read, name
	default:
		text = args[0]
	}
	if !utf8.ValidString(text) {
		return nil, usage("%s is no text: it is not UTF-8", where)
	}
	trimmed := strings.TrimSpace(text)
	if !o.Text && trimmed != "" {
		_, err := hostlib.DecodeJSON([]byte(trimmed))
		if err == nil {
			var b bytes.Buffer
			err = json.Compact(&b, []byte(trimmed))
			return b.Bytes(), err
		}
		if o.JSON {
			return nil, usage("%s is no JSON: %v", where, err)
		}
		if strings.ContainsAny(trimmed[:1], `{["`) {
			return nil, usage("%s looks like JSON and is none: %v", where, err).
				WithHint(`quote it for the shell: '{"id": 42}'; or say by --string that it is a text`)
		}
	} else if o.JSON {
		return nil, usage("%s is empty, which is no JSON", where)
	}
	if where != "VALUE" {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	}
	return hostlib.EncodeJSON(text)
}

// readValue reads the text of a value from a file; - is standard input.
func readValue(env *Env, file string) (text, name string, err error) {
	r, name := env.Stdin, "standard input"
	if file != "-" {
		f, err := openNamed(env, "file", file)
		if err != nil {
			return "", "", err
		}
		defer f.Close()
		r, name = f, file
	}
	b, err := io.ReadAll(io.LimitReader(r, maxValueText+1))
	switch {
	case err != nil:
		return "", "", engine.Wrapf(engine.CodeInternal, err, "read %s", name)
	case len(b) > maxValueText:
		return "", "", usage("%s has more than %s bytes; a value has at most %d as JSON", name, humanize.Comma(maxValueText), engine.MaxVariable)
	}
	return strings.TrimPrefix(string(b), "\ufeff"), name, nil
}
