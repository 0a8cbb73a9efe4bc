package fhir

import "strings"

// Reference is what a Reference.reference says: a resource of this server by type and id, or a URL, a URN or a
// "#fragment" in ID with an empty Type.
type Reference struct {
	Type    string
	ID      string
	Version string
}

// ParseReference reads "Patient/x", "Patient/x/_history/2", an absolute URL, a URN or a fragment.
func ParseReference(s string) Reference {
	if s == "" || s[0] == '#' || strings.Contains(s, ":") {
		return Reference{ID: strings.TrimPrefix(s, "#")}.fragment(s)
	}
	typ, rest, ok := strings.Cut(s, "/")
	if !ok || !KnownType(typ) {
		return Reference{ID: s}
	}
	id, version, _ := strings.Cut(rest, "/_history/")
	return Reference{Type: typ, ID: id, Version: version}
}

// fragment empties a reference to a contained resource, which names nothing outside its document.
func (r Reference) fragment(s string) Reference {
	if s == "" || s[0] == '#' {
		return Reference{}
	}
	return r
}

// String returns the reference as written in JSON.
func (r Reference) String() string {
	switch {
	case r.Type == "":
		return r.ID
	case r.Version != "":
		return r.Type + "/" + r.ID + "/_history/" + r.Version
	}
	return r.Type + "/" + r.ID
}

// ValidID reports whether s can be a logical id: 1 to 64 letters, digits, "-" or ".".
func ValidID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
