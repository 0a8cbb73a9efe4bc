package terminology

import "strings"

// BuiltInSets returns the URLs of the value sets that are shipped.
func BuiltInSets() (out []string) {
	for key := range shipped().lines {
		if url, ok := strings.CutPrefix(key, "ValueSet "); ok {
			out = append(out, url)
		}
	}
	return out
}
