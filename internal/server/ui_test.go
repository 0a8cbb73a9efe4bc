package server

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// TestUI holds how the interface goes over the wire: compressed for who takes it, every page the same document.
func TestUI(t *testing.T) {
	script := strings.Repeat("let a = 1;\n", 1000)
	h := ui(fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html><title>Vigil</title>")}, "assets/a-1.js": {Data: []byte(script)}, "assets/f-1.woff2": {Data: []byte("wOF2")},
	})
	for _, tc := range []struct {
		name, path, accept, encoding, kind, want string
		status                                   int
	}{
		{"Packed", "/assets/a-1.js", "gzip, br", "gzip", "text/javascript; charset=utf-8", script, 200},
		{"Plain", "/assets/a-1.js", "", "", "text/javascript; charset=utf-8", script, 200},
		{"FontAsItIs", "/assets/f-1.woff2", "gzip", "", "font/woff2", "wOF2", 200},
		{"Page", "/patients/sara", "gzip", "gzip", "text/html; charset=utf-8", "<!doctype html><title>Vigil</title>", 200},
		{"NoSuchAsset", "/assets/b-2.js", "gzip", "", "text/plain; charset=utf-8", "404 page not found\n", 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tc.path, nil)
			r.Header.Set("Accept-Encoding", tc.accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.status || w.Header().Get("Content-Encoding") != tc.encoding || w.Header().Get("Content-Type") != tc.kind {
				t.Fatalf("answered %d %q %q", w.Code, w.Header().Get("Content-Encoding"), w.Header().Get("Content-Type"))
			}
			var body io.Reader = w.Body
			if tc.encoding == "gzip" {
				if w.Body.Len() >= len(tc.want) && len(tc.want) > 100 {
					t.Errorf("%d bytes on the wire for %d", w.Body.Len(), len(tc.want))
				}
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			if b, err := io.ReadAll(body); err != nil || string(b) != tc.want {
				t.Errorf("body %.40q, %v", b, err)
			}
		})
	}
}
