// Package scripting makes job types of the scripts in a jobs folder.
//
// Load finds them and hands each to the package of its language: starscript or
// luascript. What scripts can call is in hostlib, the same for every language.
package scripting
