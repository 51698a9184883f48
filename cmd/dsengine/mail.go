package main

import (
	"strconv"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// mailTable is [mail]: the server that takes mail on. The environment wins:
// DSENGINE_MAIL_HOST and so on.
type mailTable struct {
	Host     string    `toml:"host"`
	Port     int       `toml:"port"`
	User     string    `toml:"user"`
	Password secretRef `toml:"password"`
	From     string    `toml:"from"`
	TLS      string    `toml:"tls"`
}

// mailOf is how scripts send mail; nil if nobody has said how.
func mailOf(env *Env, g *globals) *hostlib.Mail {
	t := g.tables.Mail
	for name, to := range map[string]*string{"HOST": &t.Host, "USER": &t.User, "FROM": &t.From, "TLS": &t.TLS} {
		if v, ok := env.lookup("DSENGINE_MAIL_" + name); ok {
			*to = v
		}
	}
	if v, ok := env.lookup("DSENGINE_MAIL_PASSWORD"); ok {
		t.Password = secretRef{Value: v}
	}
	if v, ok := env.lookup("DSENGINE_MAIL_PORT"); ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			n = -1 // told when mail is sent
		}
		t.Port = n
	}
	if t.Host == "" {
		return nil
	}
	m := &hostlib.Mail{Host: t.Host, Port: t.Port, User: t.User, From: t.From, TLS: t.TLS}
	if t.Password != (secretRef{}) {
		m.Password = func() (string, error) { return g.tables.resolve(env, t.Password) }
	}
	return m
}
