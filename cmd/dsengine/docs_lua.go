package main

import (
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/stubs"
)

// docLua is the page about scripts in Lua.
func docLua() *docPage {
	page := &docPage{Name: "lua", Kind: "language", Doc: "Scripts in Lua, jobs/NAME.lua, have the hooks, settings, modules, functions, errors and limits of scripts in Starlark: dsengine docs NAME --lua shows examples. This is what is different from Lua 5.1, and what Lua has besides."}
	for _, g := range []struct {
		title string
		docs  []luascript.Doc
	}{{"what is different", luascript.Differences}, {"bounds", luascript.Bounds}, {"functions of Lua's own", luascript.Functions}} {
		group := docGroup{Title: g.title}
		for _, d := range g.docs {
			group.Names = append(group.Names, docLine{Name: d.Name, Doc: d.Doc})
		}
		page.Groups = append(page.Groups, group)
	}
	return page
}

// inLua has a page say as Lua does what is given, and what comes back: what is given by
// name is in a table.
func (d *docPage) inLua() {
	d.Doc, d.Type, d.Default, d.Returns = luaWords(d.Doc), luaWords(d.Type), stubs.InLua(d.Default), luaWords(d.Returns)
	for _, g := range d.Groups {
		for i := range g.Names {
			line := &g.Names[i]
			if line.Doc = luaWords(line.Doc); line.of != nil {
				f := docFunc(line.of, d.Kind)
				f.inLua()
				line.Name = f.Signature
			}
		}
	}
	var given, named []string
	for i := range d.Params {
		p := &d.Params[i]
		p.Type, p.Default, p.Doc = luaWords(p.Type), stubs.InLua(p.Default), luaWords(p.Doc)
		text := p.Name
		switch {
		case strings.HasPrefix(p.Name, "**"):
			p.Name = strings.TrimPrefix(p.Name, "**")
			named = append(named, "...")
			continue
		case strings.HasPrefix(p.Name, "*"):
			p.Name, text = "...", "..."
		case p.Default != "":
			text += " = " + p.Default
		}
		if p.Named {
			named = append(named, text)
		} else {
			given = append(given, text)
		}
	}
	for i := range d.Settings {
		s := &d.Settings[i]
		s.Type, s.Default, s.Doc = luaWords(s.Type), stubs.InLua(s.Default), luaWords(s.Doc)
	}
	if len(named) > 0 {
		given = append(given, "{"+strings.Join(named, ", ")+"}")
	}
	if d.Signature != "" && d.Kind != "hook" {
		d.Signature = d.Name + "(" + strings.Join(given, ", ") + ")"
	}
}

// constantWords are words of Starlark that Lua has others for.
var constantWords = regexp.MustCompile(`\b(?:None|True|False)\b`)

func luaWords(text string) string { return constantWords.ReplaceAllStringFunc(text, stubs.InLua) }
