package hostlib

import (
	"bufio"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds for the entities of a document: their names and texts together, in bytes, how many
// there are, and one name.
const (
	maxXMLEntities   = 64 << 10
	manyXMLEntities  = 10_000
	maxXMLEntityName = 256
)

// xmlInput is what a document is read from: byte by byte, so that no more is taken than was
// understood. It stops when too much has come since the last reset, with what entities
// stand for.
type xmlInput struct {
	*bufio.Reader
	name   string // for messages
	max, n int
	// Entities that the document declares: by name, the text that they stand for, and why
	// others cannot be read.
	values, refused map[string]string
	ref             []byte // the name of a reference
	open            bool   // it has begun
	read, grown     int64  // bytes that have come, and those that entities made of them
}

// ReadByte reads, within the bounds.
func (x *xmlInput) ReadByte() (byte, error) {
	if x.n > x.max {
		return 0, Errorf("file.size", "an element of %s is longer than %d bytes", x.name, x.max)
	}
	b, err := x.Reader.ReadByte()
	x.n++
	x.read++
	if err != nil || x.values == nil {
		return b, err
	}
	switch {
	case b == '&':
		x.ref, x.open = x.ref[:0], true
	case b == ';' && x.open:
		n := len(x.values[string(x.ref)])
		x.n, x.grown, x.open = x.n+n, x.grown+int64(n), false
		if x.grown > freeBytes && x.grown/maxRatio > x.read {
			return 0, Errorf("file.bomb", "%s grows to more than %d times its size by its entities", x.name, maxRatio)
		}
	case x.open && len(x.ref) <= maxXMLEntityName:
		x.ref = append(x.ref, b)
	}
	return b, nil
}

func (x *xmlInput) reset() { x.n = 0 }

// entityDeclaration is one of a DTD: what may be a %, the name, and the text in quotes or
// where else it lies.
var entityDeclaration = regexp.MustCompile(`<!ENTITY\s+(%\s+)?([^\s"'<>%&;]+)\s+("[^"]*"|'[^']*'|(?:SYSTEM|PUBLIC)\s(?:[^"'>]|"[^"]*"|'[^']*')*)\s*>`)

// declare takes the entities of a DTD, of several of one name the first one.
func (x *xmlInput) declare(doctype []byte) {
	left := maxXMLEntities
	for _, m := range entityDeclaration.FindAllSubmatch(doctype, manyXMLEntities) {
		name := string(m[2])
		if x.values == nil {
			x.values, x.refused = map[string]string{}, map[string]string{}
		}
		if _, known := x.values[name]; known || x.refused[name] != "" || len(m[1]) > 0 || len(name) > maxXMLEntityName {
			continue
		}
		text, why := x.replacement(string(m[3]))
		if left -= len(name) + len(text); left < 0 {
			why = "makes more than " + strconv.Itoa(maxXMLEntities) + " bytes of the entities"
		}
		if why != "" {
			x.refused[name] = why
		} else {
			x.values[name] = text
		}
	}
}

// replacement is the text that an entity stands for, by its declaration.
func (x *xmlInput) replacement(declared string) (text, why string) {
	if declared[0] != '"' && declared[0] != '\'' {
		return "", "lies outside of the document, where nothing is read"
	}
	declared = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(declared[1 : len(declared)-1])
	text, why = references(declared, func(name string) (string, bool) { // when it is declared
		if !strings.HasPrefix(name, "#") {
			return "&" + name + ";", true
		}
		return xmlCharacter(name)
	})
	if strings.Contains(text, "<") {
		return "", "has elements in it, which are not read"
	}
	if why != "" {
		return "", why
	}
	return references(text, func(name string) (string, bool) { // where it is used
		if text, ok := xmlCharacter(name); ok {
			return text, true
		}
		text, ok := x.values[name]
		return text, ok
	})
}

// references replaces what stands between & and ; in a text.
func references(text string, by func(name string) (string, bool)) (out, why string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "&")
		if b.WriteString(before); b.Len() > maxXMLEntities {
			return "", "is too long"
		}
		if !found {
			return b.String(), ""
		}
		name, after, found := strings.Cut(rest, ";")
		to, ok := "", false
		if found {
			to, ok = by(name)
		}
		if !ok {
			return "", "has an & in it that begins no text which is known by then"
		}
		b.WriteString(to)
		text = after
	}
}

// xmlCharacter is the character that a reference means in every document.
func xmlCharacter(name string) (string, bool) {
	switch name {
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "amp":
		return "&", true
	case "apos":
		return "'", true
	case "quot":
		return `"`, true
	}
	digits, numbered := strings.CutPrefix(name, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	if !numbered || err != nil || !utf8.ValidRune(rune(n)) {
		return "", false
	}
	return string(rune(n)), true
}

// noEntity says in words why a reference means nothing; "" if it is not known.
func (x *xmlInput) noEntity(err *xml.SyntaxError) string {
	ref, is := strings.CutPrefix(err.Msg, "invalid character entity ")
	name, whole := strings.CutSuffix(ref, ";")
	if !is || !whole || strings.HasPrefix(name, "&#") {
		return ""
	}
	if why := x.refused[name[1:]]; why != "" {
		return "the entity " + ref + " " + why
	}
	return "there is no entity " + ref + ": the document does not declare it"
}
