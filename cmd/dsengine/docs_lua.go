package main

import (
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
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
	d.Doc, d.Type, d.Default, d.Returns = hostlib.WordsInLua(d.Doc), hostlib.WordsInLua(d.Type), hostlib.InLua(d.Default), hostlib.WordsInLua(d.Returns)
	for i := range d.Groups {
		g := &d.Groups[i]
		g.Doc = hostlib.WordsInLua(g.Doc)
		for i := range g.Names {
			line := &g.Names[i]
			if line.Doc = hostlib.WordsInLua(line.Doc); line.of != nil {
				line.Name = line.of.SignatureInLua()
			}
		}
	}
	for i := range d.Params {
		p := &d.Params[i]
		p.Type, p.Default, p.Doc = hostlib.WordsInLua(p.Type), hostlib.InLua(p.Default), hostlib.WordsInLua(p.Doc)
		if name := strings.TrimPrefix(p.Name, "**"); name != p.Name {
			p.Name = name
		} else if strings.HasPrefix(p.Name, "*") {
			p.Name = "..."
		}
	}
	for i := range d.Settings {
		s := &d.Settings[i]
		s.Type, s.Default, s.Doc = hostlib.WordsInLua(s.Type), hostlib.InLua(s.Default), hostlib.WordsInLua(s.Doc)
	}
	if d.of != nil {
		d.Signature = d.of.SignatureInLua()
	}
}
