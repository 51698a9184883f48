package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// s3Table is [s3.NAME]: a store of objects, and a bucket of it. The environment
// wins: DSENGINE_S3_NAME_ENDPOINT and so on.
type s3Table struct {
	Endpoint  string    `toml:"endpoint"`
	Region    string    `toml:"region"`
	Bucket    string    `toml:"bucket"`
	AccessKey secretRef `toml:"access_key"`
	SecretKey secretRef `toml:"secret_key"`
	Token     secretRef `toml:"token"`
}

// s3Source finds stores by their names. Their keys are read each time, so that
// they can be replaced.
func s3Source(env *Env, g *globals) func(name string) (*hostlib.S3, error) {
	return func(name string) (*hostlib.S3, error) {
		t, there := g.tables.S3[name]
		prefix := "DSENGINE_S3_" + notInVariables.ReplaceAllString(strings.ToUpper(name), "_") + "_"
		for part, to := range map[string]*string{"ENDPOINT": &t.Endpoint, "REGION": &t.Region, "BUCKET": &t.Bucket} {
			if v, ok := env.lookup(prefix + part); ok {
				*to, there = v, true
			}
		}
		if !there {
			hint := "add"
			if like := strings.Trim(hostlib.Suggest(name, slices.Sorted(maps.Keys(g.tables.S3))), " ()"); like != "" {
				hint = like + " Else add"
			}
			return nil, engine.Wrapf(engine.CodeNotFound, hostlib.ErrNoS3, "s3 %q", name).
				WithHint("%s [s3.%s] to %s, with endpoint, bucket, access_key and secret_key, or set %sENDPOINT and so on", hint, name, defaultConfig, prefix)
		}
		s := &hostlib.S3{Endpoint: t.Endpoint, Region: t.Region, Bucket: t.Bucket}
		for _, k := range []struct {
			part string
			ref  secretRef
			to   *string
		}{{"access_key", t.AccessKey, &s.AccessKey}, {"secret_key", t.SecretKey, &s.SecretKey}, {"token", t.Token, &s.Token}} {
			var err error
			if v, ok := env.lookup(prefix + strings.ToUpper(k.part)); ok {
				*k.to = v
			} else if *k.to, err = g.tables.resolve(env, k.ref); err != nil {
				return nil, engine.Wrapf(engine.CodeUsage, err, "%s cannot be had", k.part)
			}
		}
		return s, nil
	}
}
