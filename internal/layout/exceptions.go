package layout

// Exceptions are breaks of a rule that somebody decided on: "rule path" → reason. An exception that is no longer
// needed fails the tests.
func Exceptions() map[string]string {
	return map[string]string{
		"R1 internal/app/apptest/house.go":      "the examination puts the real stores beneath an application; it is linked into tests only",
		"R5 internal/driver/relational/seal.go": "SQLite decides how many parameters a function has that it calls (xOpen)",
	}
}

// PureLibraries are the third-party modules that the engine and the words may import: they do no I/O.
func PureLibraries() []string {
	return []string{
		"cel.dev/cel-go",                // the language of rules: parser and type checker
		"github.com/cockroachdb/apd/v3", // exact decimals of FHIR
		"github.com/go-jose/go-jose/v4", // signatures and keys of other systems
		"github.com/goccy/go-yaml",
		"golang.org/x/crypto/argon2",
		"golang.org/x/sync/errgroup",
		"golang.org/x/text/unicode/norm",
	}
}
