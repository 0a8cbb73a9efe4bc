package webapi

import "github.com/vigil-health/vigil/internal/engine/access"

// Pattern is one route of the table, as tests see it.
type Pattern struct {
	Pattern string
	Roles   []access.Role
}

// Patterns returns the table of routes.
func Patterns() []Pattern {
	var out []Pattern
	for _, r := range (&API{}).routes() {
		out = append(out, Pattern{r.pattern, r.roles})
	}
	return out
}

// MaxSubscriptions is how many topics one screen may follow.
const MaxSubscriptions = maxSubscriptions
