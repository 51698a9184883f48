package hostlib

var varsModule = &Module{
	Name:  "vars",
	Doc:   "Durable values that all job types share; people set them too. They are written when the hook commits. " + variablesDoc,
	Funcs: variableFuncs("vars", true),
}
