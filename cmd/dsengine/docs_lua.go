package main

import "github.com/dsengine/dsengine/scripting/luascript"

// docLua is the page about scripts in Lua.
func docLua() *docPage {
	page := &docPage{Name: "lua", Kind: "language", Doc: "Scripts in Lua, jobs/NAME.lua, have the hooks, settings, modules, functions, errors and limits of scripts in Starlark: dsengine docs NAME --lua shows examples. This is what is different from Lua 5.1, and what Lua has besides."}
	for _, g := range []struct {
		title string
		docs  []luascript.Doc
	}{{"what is different", luascript.Differences}, {"bounds", luascript.Bounds}, {"functions of Lua's own", luascript.Functions}} {
		group := docGroup{Title: g.title}
		for _, d := range g.docs {
			group.Names = append(group.Names, docLine{d.Name, d.Doc})
		}
		page.Groups = append(page.Groups, group)
	}
	return page
}
