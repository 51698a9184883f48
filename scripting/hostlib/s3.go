package hostlib

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

var (
	bucketParam    = Param{Name: "bucket", Type: Any, Doc: "a bucket by its name in dsengine.toml ([s3.NAME]; \"NAME/BUCKET\" where that names no bucket), or what s3.bucket gives"}
	objectKeyParam = Param{Name: "key", Type: String, Doc: "the object's key, such as \"incoming/people.csv\""}
	etagParam      = Param{Name: "etag", Type: String, Default: None, Named: true, Doc: "only if the object still has this etag, which s3.list told; if not, it is the error s3.changed"}
)

var s3Module = &Module{
	Name: "s3",
	Doc: "Objects in buckets of Amazon S3, and of all stores that speak its protocol (MinIO, Ceph, R2, B2, Wasabi and so on). A bucket has a name in dsengine.toml, " +
		"with its keys: [s3.archive] endpoint, region, bucket, access_key, secret_key; the environment wins (DSENGINE_S3_ARCHIVE_SECRET_KEY and so on). " +
		"needs names it (\"s3:archive\"). Errors are s3.missing, s3.denied, s3.changed, s3.region, s3.busy, s3.unreachable and s3.error. " +
		"What is written is there when the call returns, at least once: no rollback undoes it, and a hook that runs again writes it again.",
	Funcs: []*Func{
		{
			Name: "list", Doc: "Goes through the objects whose keys begin with a prefix, in the order of their keys. Lazy: they are asked for a thousand at a time. Empty objects whose keys end with /, which stand for folders, are left out.",
			Params: []Param{
				bucketParam,
				{Name: "prefix", Type: String, Default: "", Doc: "how the keys begin, such as \"incoming/\""},
				{Name: "after", Type: String, Default: None, Doc: "only keys that come after this one"},
			},
			Returns: "iterator of object", Needs: "s3", Effect: Read,
			Example: "[o.key for o in s3.list(\"archive\", \"in/\")]  # [\"in/people.csv\", \"in/words.txt\"]\n" +
				"for o in s3.list(\"archive\", \"in/\"):\n    ctx.emit({\"key\": o.key, \"etag\": o.etag}, key = o.key + \"@\" + o.etag, unique = \"forever\")",
			Lua: "list(iter.map(function(o) return o.key end, s3.list(\"archive\", \"in/\")))  -- {\"in/people.csv\", \"in/words.txt\"}\n" +
				"for o in s3.list(\"archive\", \"in/\") do\n  ctx.emit({key = o.key, etag = o.etag}, {key = o.key .. \"@\" .. o.etag, unique = \"forever\"})\nend",
			Do: func(c *Call, a *Args) (Value, error) {
				s, err := c.s3Client(a.Value("bucket"))
				if err != nil {
					return nil, err
				}
				return s.list(a.String("prefix"), a.String("after"))
			},
		},
		{
			Name: "open", Doc: "Opens an object to read it wherever a path can be: csv.read(s3.open(...)). It passes through, and is not held in memory. " +
				"Read as rows or text, it is read through " + packedDoc + "; files.entries goes through those that hold several (a zip goes to a temporary file). " +
				"If the connection breaks off, reading goes on where it was, as long as the object has not changed.",
			Params:  []Param{bucketParam, objectKeyParam, etagParam},
			Returns: "s3_stream", Needs: "s3", Effect: Read,
			Example: "[r[\"name\"] for r in csv.read(s3.open(\"archive\", \"in/people.csv\"))]  # [\"Ada\", \"Grace\"]",
			Lua:     "list(csv.read(s3.open(\"archive\", \"in/people.csv\")))[2].name  -- \"Grace\"",
			Do: func(c *Call, a *Args) (Value, error) {
				s, key, err := c.s3Object(a)
				if err != nil {
					return nil, err
				}
				o, err := s.open(key, a.String("etag"))
				if err != nil {
					return nil, err
				}
				return o, nil
			},
		},
		{
			Name: "get", Doc: "Writes an object to a file, just as it is, which is there when all of it has come and is on disk, in place of one that was there before.",
			Params: []Param{bucketParam, objectKeyParam,
				{Name: "to", Type: String, Doc: "where to, below the files folder; with / at the end, the folder that it goes to; needs must name it"}, etagParam},
			Returns: "file", Needs: "s3", Effect: Outside,
			Example: "s3.get(\"archive\", \"in/words.txt\", to = \"data/downloads/words.txt\").size  # 11",
			Lua:     "s3.get(\"archive\", \"in/words.txt\", \"data/downloads/words.txt\").size  -- 11",
			Do:      getS3,
		},
		{
			Name: "put", Doc: "Writes an object, in place of one that was there before: a file or a stream just as it is, whose size need not be known, or a text. It is there whole or not at all. " +
				"More than 16 MB are sent in parts; what a crash leaves of them is not seen, but kept by the store until a rule of its own removes incomplete uploads.",
			Params: []Param{bucketParam, objectKeyParam,
				{Name: "src", Type: Source, Default: None, Doc: "a path, or a stream; strings of a list are lines"},
				{Name: "data", Type: Text, Default: None, Named: true, Doc: "a text or bytes, in place of src"},
				{Name: "type", Type: String, Default: None, Named: true, Doc: "the type of the content, such as \"text/csv\""},
			},
			Returns: "object", Needs: "s3", Effect: Outside,
			Example: "s3.put(\"archive\", \"out/people.csv\", \"data/people.csv\").size  # 22\ns3.put(\"archive\", \"out/done.txt\", data = \"done\").size  # 4",
			Lua:     "s3.put(\"archive\", \"out/people.csv\", \"data/people.csv\").size  -- 22\ns3.put(\"archive\", \"out/done.txt\", {data = \"done\"}).size  -- 4",
			Do:      putS3, Dry: dryPutS3,
		},
		{
			Name: "stat", Doc: "Tells size, etag and time of an object. It is an error if there is none.",
			Params:  []Param{bucketParam, objectKeyParam},
			Returns: "object", Needs: "s3", Effect: Read,
			Example: "s3.stat(\"archive\", \"in/words.txt\").size  # 11",
			Lua:     "s3.stat(\"archive\", \"in/words.txt\").size  -- 11",
			Do: func(c *Call, a *Args) (Value, error) {
				s, key, err := c.s3Object(a)
				if err != nil {
					return nil, err
				}
				o, err := s.stat(key)
				if err != nil {
					return nil, err
				}
				return o, nil
			},
		},
		{
			Name: "exists", Doc: "Says whether there is an object. Where the keys may not list the bucket, stores answer for a missing one that it is refused: that is an error.",
			Params:  []Param{bucketParam, objectKeyParam},
			Returns: "bool", Needs: "s3", Effect: Read,
			Example: "s3.exists(\"archive\", \"in/words.txt\")  # True",
			Lua:     "s3.exists(\"archive\", \"in/words.txt\")  -- true",
			Do: func(c *Call, a *Args) (Value, error) {
				s, key, err := c.s3Object(a)
				if err != nil {
					return nil, err
				}
				_, err = s.stat(key)
				if codeIs(err, "s3.missing") {
					return false, nil
				}
				return err == nil, err
			},
		},
		{
			Name: "copy", Doc: "Copies an object within its store, which moves no data through here. To move one, delete it after that, by ctx.on_commit(s3.delete, ...): a hook that runs again then still finds it.",
			Params: []Param{bucketParam, objectKeyParam,
				{Name: "to", Type: String, Doc: "the key of the copy; one that was there before is replaced"},
				{Name: "to_bucket", Type: Any, Default: None, Named: true, Doc: "the bucket of the copy, in the same store; None: the same one"},
			},
			Returns: "object", Needs: "s3", Effect: Outside,
			Example: "s3.copy(\"archive\", \"in/words.txt\", \"done/words.txt\").key  # \"done/words.txt\"",
			Lua:     "s3.copy(\"archive\", \"in/words.txt\", \"done/words.txt\").key  -- \"done/words.txt\"",
			Do:      copyS3, Dry: dryCopyS3,
		},
		{
			Name: "delete", Doc: "Deletes an object. It is no error if there is none.",
			Params: []Param{bucketParam, objectKeyParam},
			Needs:  "s3", Effect: Outside,
			Example: "s3.put(\"archive\", \"tmp/x\", data = \"x\")\ns3.delete(\"archive\", \"tmp/x\")\ns3.exists(\"archive\", \"tmp/x\")  # False",
			Lua:     "s3.put(\"archive\", \"tmp/x\", {data = \"x\"})\ns3.delete(\"archive\", \"tmp/x\")\ns3.exists(\"archive\", \"tmp/x\")  -- false",
			Do: func(c *Call, a *Args) (Value, error) {
				s, key, err := c.s3Object(a)
				if err != nil {
					return nil, err
				}
				return nil, s.remove(key)
			},
			Dry: dryDeleteS3,
		},
		{
			Name: "presign", Doc: "Gives a URL by which anybody can read an object, or write it, for a while. Its signature is a secret: it is struck out of logs, payloads and results, so make the URL where it is used.",
			Params: []Param{bucketParam, objectKeyParam,
				{Name: "expires", Type: Duration, Default: time.Hour, Doc: "how long it is good for, up to \"7d\""},
				{Name: "method", Type: String, Default: http.MethodGet, Named: true, Choices: []string{http.MethodGet, http.MethodPut}, Doc: "\"GET\" to read, \"PUT\" to write"},
			},
			Returns: "string", Needs: "s3", Effect: Read,
			Example: "s3.presign(\"archive\", \"in/words.txt\", \"10m\").startswith(\"https://\")  # True",
			Lua:     "s3.presign(\"archive\", \"in/words.txt\", \"10m\"):sub(1, 8)  -- \"https://\"",
			Do:      presignS3,
		},
		{
			Name: "bucket", Doc: "Names a bucket that dsengine.toml does not have. needs names it, and the host of the endpoint: needs = [\"s3:people\", \"http:s3.example.com\", \"secret:s3_*\"].",
			Params: []Param{
				{Name: "name", Type: String, Doc: "the bucket's name in the store"},
				{Name: "endpoint", Type: String, Default: None, Named: true, Doc: "where the store is, such as \"https://s3.example.com\"; None: Amazon S3 in the region"},
				{Name: "region", Type: String, Default: None, Named: true, Doc: "the region, such as \"eu-central-1\"; None: that of the endpoint, or us-east-1"},
				{Name: "access_key", Type: String, Default: None, Named: true, Doc: "None: the bucket is open to all"},
				{Name: "secret_key", Type: String, Default: None, Named: true, Doc: "what secrets.get gives"},
				{Name: "token", Type: String, Default: None, Named: true, Doc: "the token that goes with keys for a while"},
			},
			Returns: "bucket", Needs: "s3", Effect: Read,
			Example: "people = s3.bucket(\"people\", endpoint = \"https://s3.example.com\", access_key = \"me\", secret_key = secrets.get(\"s3_people\"))\n[o.key for o in s3.list(people)]  # [\"people.csv\"]",
			Lua: "local people = s3.bucket(\"people\", {endpoint = \"https://s3.example.com\", access_key = \"me\", secret_key = secrets.get(\"s3_people\")})\n" +
				"list(s3.list(people))[1].key  -- \"people.csv\"",
			Do: scriptBucket,
		},
	},
}

// object is what is known of an object of a bucket.
type object struct {
	bucket   string // as the script calls it
	key      string
	size     int64
	modified time.Time // zero: not known
	etag     string
}

// ObjectType is object.
func (o *object) ObjectType() *ObjectType { return objectType }

// place is the object as messages show it.
func (o *object) place() string { return o.key + " in " + o.bucket }

func objectAttrs[T any](of func(T) *object) []Attr {
	attr := func(name, typ, doc string, get func(o *object) Value) Attr {
		return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(of(v.(T))), nil }}
	}
	return []Attr{
		attr("key", "string", "Its key.", func(o *object) Value { return o.key }),
		attr("size", "int", "Its size in bytes.", func(o *object) Value { return o.size }),
		attr("modified", "string", "When it was last changed, as RFC 3339 text in UTC; None after s3.put.", func(o *object) Value {
			if o.modified.IsZero() {
				return nil
			}
			return o.modified.UTC().Format(time.RFC3339Nano)
		}),
		attr("etag", "string", "What tells this content from any other: it changes when the object does.", func(o *object) Value { return o.etag }),
	}
}

var objectType = &ObjectType{
	Name: "object", Doc: "What is known of an object in a bucket; s3.open reads it.", Record: true,
	Text:  func(v Value) string { return fmt.Sprintf("<object %s>", v.(*object).key) },
	Attrs: objectAttrs(func(o *object) *object { return o }),
}

var s3StreamType = &ObjectType{
	Name: "s3_stream", Doc: "An object that was opened. It can be read wherever a path can, once: csv.read(stream).",
	Text:  func(v Value) string { return fmt.Sprintf("<s3_stream %s>", v.(*s3Stream).key) },
	Attrs: objectAttrs(func(s *s3Stream) *object { return &s.object }),
}

var bucketType = &ObjectType{
	Name: "bucket", Doc: "A bucket that s3.bucket has named.",
	Text: func(v Value) string { return fmt.Sprintf("<bucket %s>", v.(*s3Bucket).name) },
	Attrs: []Attr{
		{Name: "name", Type: "string", Doc: "Its name in the store.", Get: func(v Value) (Value, error) { return v.(*s3Bucket).name, nil }},
	},
}

// s3Object reads the arguments bucket and key.
func (c *Call) s3Object(a *Args) (*s3Client, string, error) {
	key := a.String("key")
	if err := checkKey("key", key); err != nil {
		return nil, "", err
	}
	s, err := c.s3Client(a.Value("bucket"))
	return s, key, err
}

// maxKey bounds a key, in bytes; the protocol does.
const maxKey = 1024

func checkKey(name, key string) error {
	if len(key) > maxKey {
		return Errorf("usage", "%s: it has %d bytes, and an object's key at most %d", name, len(key), maxKey)
	}
	if err := s3utils.CheckValidObjectName(key); err != nil {
		return Errorf("usage", "%s: got %q, wanted the key of an object", name, key)
	}
	return nil
}

// presignS3 is s3.presign.
func presignS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	expires := a.Duration("expires")
	switch {
	case expires < time.Second || expires > 7*24*time.Hour:
		return nil, Errorf("usage", "expires must be from \"1s\" to \"7d\"")
	case s.b.access == "":
		return nil, Errorf("usage", "the bucket %s has no keys: nothing can be signed", s.b.shown)
	}
	u, err := s.Presign(c.Context(), a.String("method"), s.b.name, key, expires, nil)
	if err != nil {
		return nil, Errorf("s3.error", "%v", err)
	}
	s.b.sign(u, a.String("method"), c.Hook.Now())
	if err := c.Hook.PassingSecret(u.Query().Get("X-Amz-Signature")); err != nil {
		return nil, Errorf("s3.error", "the signature: %v", err)
	}
	return u.String(), nil
}

// sign signs a presigned URL of the library anew: that has the time of the machine. See
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.
func (b *s3Bucket) sign(u *url.URL, method string, at time.Time) {
	const algorithm = "AWS4-HMAC-SHA256"
	at = at.UTC()
	date, credential := at.Format("20060102T150405Z"), signer.GetCredential(b.access, b.region, at, signer.ServiceTypeS3)
	query := u.Query()
	query.Del("X-Amz-Signature")
	query.Set("X-Amz-Date", date)
	query.Set("X-Amz-Credential", credential)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	asked := sha256.Sum256([]byte(strings.Join([]string{method, s3utils.EncodePath(u.Path), u.RawQuery, "host:" + u.Host, "", "host", "UNSIGNED-PAYLOAD"}, "\n")))
	text := strings.Join([]string{algorithm, date, strings.TrimPrefix(credential, b.access+"/"), hex.EncodeToString(asked[:])}, "\n")
	u.RawQuery += "&X-Amz-Signature=" + signer.PostPresignSignatureV4(text, at, b.secret, b.region)
}
