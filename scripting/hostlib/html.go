package hostlib

var htmlModule = &Module{Name: "html", Doc: "HTML pages."}
