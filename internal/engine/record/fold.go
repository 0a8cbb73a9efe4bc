package record

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// foldLimit bounds the folded text of a string row, in bytes.
const foldLimit = 256

// Fold returns a string as FHIR string search compares it: without case, accents and surrounding space, at most 256
// bytes. Backends store it in string rows.
func Fold(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if !ascii(s) {
		var b strings.Builder
		for _, r := range norm.NFD.String(s) {
			if !unicode.Is(unicode.Mn, r) {
				b.WriteRune(r)
			}
		}
		s = b.String()
	}
	s = strings.ToLower(s)
	if len(s) > foldLimit {
		s = strings.ToValidUTF8(s[:foldLimit], "")
	}
	return s
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
