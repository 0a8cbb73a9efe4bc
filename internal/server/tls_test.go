package server

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestDamagedCertificate flips bits in keys and certificates: what is served is what was made, or nothing is and it is said.
func TestDamagedCertificate(t *testing.T) {
	dir := t.TempDir()
	cfg, err := certificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	made := cfg.Certificates[0].Certificate[0]
	rng := rand.New(rand.NewPCG(1, 2))
	refused, whole := 0, 0
	for _, name := range []string{"server.pem", "server.key", "ca.pem", "ca.key"} {
		path := filepath.Join(dir, name)
		sound, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			bad := bytes.Clone(sound)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			switch cfg, err := certificates(dir); {
			case err != nil:
				refused++
			case bytes.Equal(cfg.Certificates[0].Certificate[0], made):
				whole++
			default:
				t.Errorf("a damaged %s is served", name)
			}
		}
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cfg, err := certificates(dir); err != nil || !bytes.Equal(cfg.Certificates[0].Certificate[0], made) {
		t.Errorf("undamaged again: %v", err)
	}
	if refused < 50 {
		t.Errorf("%d refused, %d whole", refused, whole)
	}
}
