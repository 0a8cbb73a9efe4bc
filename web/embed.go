// Package web holds the built user interface, so that one binary serves it. It is not a server and knows no routes: package
// http does that. Start at src/main.tsx for the interface itself and at Dist for what is handed to the server.
package web

import (
	"embed"
	"io/fs"
)

// dist is what "npm run build" writes. A fresh checkout holds only .gitkeep: the server then says that the interface is not built.
//
//go:embed all:dist
var dist embed.FS

// Dist returns the built files rooted at their folder, so that "index.html" opens the start page.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // impossible: the folder is named in the embed directive above
	}
	return sub
}
