package server

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

// ui serves the built interface; every unknown path is a page of it. What compresses goes out compressed, packed once
// when it is first asked for.
func ui(dist fs.FS) http.Handler {
	files, packed := http.FileServerFS(dist), &packer{dist: dist}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		if info, err := fs.Stat(dist, name); name == "" || err != nil || info.IsDir() {
			if strings.HasPrefix(name, "assets/") {
				http.NotFound(w, r)
				return
			}
			name = "index.html"
		}
		if _, err := fs.Stat(dist, "index.html"); err != nil {
			http.Error(w, "The user interface is not built into this binary. Run `make build`, or use the API at /api and /fhir.", http.StatusNotFound)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasPrefix(name, "assets/") { // names carry a hash of the content
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		if kind := packable(name); kind != "" {
			w.Header().Add("Vary", "Accept-Encoding")
			if b := packed.get(name); b != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
				w.Header().Set("Content-Type", kind)
				w.Write(b) //nolint:errcheck // the client is gone
				return
			}
		}
		if name == "index.html" {
			http.ServeFileFS(w, r, dist, name)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// packable returns the content type of files that compress, "" for others: fonts and pictures are compressed as they are.
func packable(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".webmanifest":
		return "application/json"
	}
	return ""
}

// packer keeps the compressed files. They come from the binary and never change.
type packer struct {
	dist fs.FS
	mu   sync.Mutex
	made map[string][]byte
}

// get returns the compressed file, nil when it cannot be read.
func (p *packer) get(name string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := p.made[name]; ok {
		return b
	}
	plain, err := fs.ReadFile(p.dist, name)
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(plain); err != nil || z.Close() != nil {
		return nil
	}
	if p.made == nil {
		p.made = map[string][]byte{}
	}
	p.made[name] = out.Bytes()
	return p.made[name]
}
