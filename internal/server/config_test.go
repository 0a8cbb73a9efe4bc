package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/server"
)

// TestRetentionInTheConfiguration holds that doctor and start agree about what a site wrote.
func TestRetentionInTheConfiguration(t *testing.T) {
	for _, c := range []struct{ name, yaml, says string }{
		{"Default", "", "vitals 1y, then summaries until 10y; waveforms 30d"},
		{"Own", "retention:\n  vitals: {raw: 2y, summaries: forever}\n  waveforms: {raw: 2w}\n", "vitals 2y, then summaries until forever; waveforms 14d; environment 90d"},
		{"NoClass", "retention:\n  gossip: {raw: 2y}\n", `"gossip" is no class`},
		{"NoAge", "retention:\n  vitals: {raw: soon}\n", `retention.vitals.raw: "soon" is no age`},
		{"TooShort", "retention:\n  events: {raw: 1d}\n", "at least 2d"},
		{"SummariesOfCurves", "retention:\n  waveforms: {raw: 30d, summaries: 1y}\n", "have no summaries"},
		{"EndBeforeRaw", "retention:\n  vitals: {raw: 2y, summaries: 1y}\n", "before raw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "vigil.yaml")
			if err := os.WriteFile(file, []byte(c.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := server.LoadConfig(file, true)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Data = t.TempDir()
			found, err := server.Examine(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(found, func(f server.Finding) bool { return f.Name == "retention" })
			if i < 0 || !strings.Contains(found[i].Text, c.says) || found[i].OK != (c.name == "Default" || c.name == "Own") {
				t.Errorf("doctor says %+v", found)
			}
		})
	}
}
