package hostlib

import (
	"errors"

	"github.com/dsengine/dsengine/engine"
)

// ErrNoSecret says that there is no secret of a name.
var ErrNoSecret = errors.New("there is no such secret")

var secretsModule = &Module{
	Name: "secrets",
	Doc: "Passwords, tokens and keys, which no script holds itself. They come from the environment (DSENGINE_SECRET_NAME) or from [secrets] of dsengine.toml. " +
		"Each that the needs of scripts here name, or that one of them gets, is struck out, as ***, of logs, errors, results, payloads and positions, also where it is encoded (JSON, URL, HTML, XML, SQL, hexadecimal, base64, UTF-8 taken for Latin-1), several times too, but not what a script makes of it in other ways, such as a part of it, or a hash. It has at least 4 characters. " +
		"So is each of its lines, and each text in one that is JSON, of at least 8 bytes; what has a name there that tells of no secret (user, url, id, ...) stays.",
	Funcs: []*Func{
		{
			Name: "get", Doc: "Gives a secret. To keep one in state or vars, or in a key, is an error; in a payload it is struck out: get it where it is used.",
			Params:  []Param{{Name: "name", Type: String, Doc: "the secret's name"}},
			Returns: "string", Needs: "secret", Effect: Read, Same: true,
			Example: "len(secrets.get(\"crm_token\"))  # 12",
			Lua:     "#secrets.get(\"crm_token\")  -- 12",
			Do:      func(c *Call, a *Args) (Value, error) { return c.secret(a.String("name")) },
		},
	},
}

// secret gives the script a secret, which is known as one from then on.
func (c *Call) secret(name string) (string, error) {
	if err := c.Needs.name("secret", name, c.Hook.Job().Instance); err != nil {
		c.tellRefused("secret", name, err)
		return "", err
	}
	if c.Host.Secret == nil {
		return "", Errorf("secret.missing", "there is no secret %q: this process has none", name)
	}
	value, err := c.Host.Secret(name)
	if err != nil {
		if errors.Is(err, ErrNoSecret) {
			return "", Errorf("secret.missing", "there is no secret %q%s", name, hintOf(err))
		}
		return "", Errorf("secret.error", "the secret %q cannot be had: %v", name, err)
	}
	if err := c.Hook.Secret(value); err != nil {
		return "", Errorf("secret.short", "the secret %q: %v", name, err)
	}
	return value, nil
}

func hintOf(err error) string {
	if hint := engine.HintOf(err); hint != "" {
		return ": " + hint
	}
	return ""
}
