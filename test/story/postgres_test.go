package story_test

import (
	"os"
	"testing"

	"github.com/vigil-health/vigil/internal/driver/relational/pgtest"
	"github.com/vigil-health/vigil/internal/sim"
)

var postgres *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Run(m, func(s *pgtest.Server) { postgres = s }))
}

// TestSaraOnPostgres tells her story to a Vigil whose records are on PostgreSQL.
func TestSaraOnPostgres(t *testing.T) {
	text, err := os.ReadFile("sara.story")
	if err != nil {
		t.Fatal(err)
	}
	story, err := sim.ParseStory("sara.story", text)
	if err != nil {
		t.Fatal(err)
	}
	play(t, story, postgres.Database(t))
}
