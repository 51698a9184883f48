package hostlib

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"

	"github.com/dsengine/dsengine/engine"
)

// hashes makes hashes by name.
var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New,
}

var hashedParam = Param{Name: "x", Type: Text, Doc: "a string, whose UTF-8 is taken, or bytes"}

var hashModule = &Module{
	Name: "hash",
	Doc:  "Hashes, as hexadecimal text. md5, sha1, crc32 and xxhash are for telling data apart, not for security.",
	Funcs: []*Func{
		digest("md5", "Gives the MD5 hash.", "900150983cd24fb0d6963f7d28e17f72", func(b []byte) []byte { s := md5.Sum(b); return s[:] }),
		digest("sha1", "Gives the SHA-1 hash.", "a9993e364706816aba3e25717850c26c9cd0d89d", func(b []byte) []byte { s := sha1.Sum(b); return s[:] }),
		digest("sha256", "Gives the SHA-256 hash.", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }),
		digest("sha512", "Gives the SHA-512 hash.", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }),
		digest("crc32", "Gives the CRC-32 checksum, as zip and gzip have it.", "352441c2", func(b []byte) []byte {
			return word(uint64(crc32.ChecksumIEEE(b)))[4:]
		}),
		digest("xxh64", "Gives the 64-bit XXH64 hash, which is fast.", "44bc2cf5ad770999", func(b []byte) []byte { return word(xxhash.Sum64(b)) }),
		digest("xxh3", "Gives the 64-bit XXH3 hash, which is the fastest.", "78af5f94892f3950", func(b []byte) []byte { return word(xxh3.Hash(b)) }),
		{
			Name: "hmac", Doc: "Gives the keyed hash (HMAC) by which a message is signed.",
			Params: []Param{
				{Name: "key", Type: Text, Doc: "the key, a secret"},
				hashedParam,
				{Name: "alg", Type: String, Default: "sha256", Choices: []string{"md5", "sha1", "sha256", "sha512"}, Doc: "the hash: md5, sha1, sha256 or sha512"},
			},
			Returns: "string",
			Example: "hash.hmac(\"key\", \"abc\")[:16]  # \"9c196e32dc0175f8\"",
			Lua:     "string.sub(hash.hmac(\"key\", \"abc\"), 1, 16)  -- \"9c196e32dc0175f8\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				h := hmac.New(hashes[a.String("alg")], textBytes(a.Value("key")))
				h.Write(textBytes(a.Value("x")))
				return hex.EncodeToString(h.Sum(nil)), nil
			},
		},
		{
			Name: "row", Doc: "Gives a hash of a row's content, to tell later whether it has changed: 32 hexadecimal digits, the same in every language, whatever the order of the columns. 1 and 1.0 are the same, 1 and \"1\" are not; times are compared as moments.",
			Params: []Param{
				{Name: "row", Type: DictOf, Doc: "the row"},
				{Name: "cols", Type: Strings, Default: None, Doc: "the columns that count; None: all"},
			},
			Returns: "string",
			Example: "hash.row({\"id\": 1, \"name\": \"Ada\"}) == hash.row({\"name\": \"Ada\", \"id\": 1.0})  # True",
			Lua:     "hash.row({id = 1, name = \"Ada\"}) == hash.row({name = \"Ada\", id = 1.0})  -- true",
			Do: func(_ *Call, a *Args) (Value, error) {
				row, err := pick(a.Dict("row"), "cols", a.Strings("cols"))
				if err != nil {
					return nil, err
				}
				return RowHash(row)
			},
		},
	},
}

func digest(name, doc, abc string, sum func([]byte) []byte) *Func {
	f := &Func{
		Name: name, Doc: doc, Returns: "string", Params: []Param{hashedParam},
		Example: fmt.Sprintf("hash.%s(\"abc\")  # %q", name, abc),
		Lua:     fmt.Sprintf("hash.%s(\"abc\")  -- %q", name, abc),
		Do: func(_ *Call, a *Args) (Value, error) {
			return hex.EncodeToString(sum(textBytes(a.Value("x")))), nil
		},
	}
	if len(abc) > 64 {
		f.Example = fmt.Sprintf("hash.%s(\"abc\")[:16]  # %q", name, abc[:16])
		f.Lua = fmt.Sprintf("string.sub(hash.%s(\"abc\"), 1, 16)  -- %q", name, abc[:16])
	}
	return f
}

func word(n uint64) []byte {
	return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// RowHash is the hash of a row's content: of data that Language.Data gave.
func RowHash(row *Dict) (string, error) {
	sum, err := rowSum(row)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum[:]), nil
}

// rowSum is RowHash in bytes.
func rowSum(row *Dict) (sum engine.RecordSum, err error) {
	b, err := appendCanonical(make([]byte, 0, 256), row)
	whole := sha256.Sum256(b)
	copy(sum[:], whole[:])
	return sum, err
}

// pick gives some columns of a row, all if names is nil. param is where the names
// are from.
func pick(row *Dict, param string, names []string) (*Dict, error) {
	if names == nil {
		return row, nil
	}
	part := &Dict{}
	for _, name := range names {
		v, ok := row.Get(name)
		if !ok {
			return nil, Errorf("usage", "%s: the row has no column %q%s", param, name, engine.SuggestColumn(name, row.Names))
		}
		part.Set(name, v)
	}
	return part, nil
}

// appendCanonical writes data so that equal values, and only they, have the
// same text: names sorted, numbers by their value, times in UTC.
func appendCanonical(b []byte, v Value) ([]byte, error) {
	if n, ok := canonicalNumber(v); ok {
		return append(append(append(b, '#'), n...), ';'), nil
	}
	switch v := v.(type) {
	case nil:
		return append(b, 'n'), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendSized(b, 's', v), nil
	case []byte:
		return appendSized(b, 'b', string(v)), nil
	case time.Time:
		return appendSized(b, 't', v.UTC().Format(time.RFC3339Nano)), nil
	case time.Duration:
		return appendSized(b, 'd', strconv.FormatInt(int64(v), 10)), nil
	case JSON:
		data, err := DecodeJSON([]byte(v))
		if err != nil {
			return b, err
		}
		return appendCanonical(b, data)
	case Tuple:
		return appendCanonical(b, []Value(v))
	case []Value:
		b = append(b, '[')
		var err error
		for _, e := range v {
			if b, err = appendCanonical(b, e); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case *Dict:
		order := make([]int, len(v.Names))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int {
			if v.Names[i] < v.Names[j] {
				return -1
			}
			return 1
		})
		b = append(b, '{')
		var err error
		for _, i := range order {
			if b, err = appendCanonical(appendSized(b, 's', v.Names[i]), v.Values[i]); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	}
	if t := TypeOf(v); t != nil && t.Record {
		d, err := t.Dict(v)
		if err != nil {
			return b, err
		}
		return appendCanonical(b, d)
	}
	return b, Errorf("usage", "a row holds what is no data: %T", v)
}

func appendSized(b []byte, kind byte, s string) []byte {
	b = strconv.AppendInt(append(b, kind), int64(len(s)), 10)
	return append(append(b, ':'), s...)
}

// canonicalNumber writes a number so that equal ones of any type are the same.
func canonicalNumber(v Value) (string, bool) {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case float64:
		switch {
		case v == 0:
			return "0", true // -0 too
		case math.IsInf(v, 0) || math.IsNaN(v):
			return strconv.FormatFloat(v, 'g', -1, 64), true
		case v == math.Trunc(v):
			n, _ := big.NewFloat(v).Int(nil) // as the whole number that it is
			return n.String(), true
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case Decimal:
		return v.normal(), true
	}
	return "", false
}
