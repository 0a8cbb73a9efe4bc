package fhir

import (
	"html"
	"slices"
	"strings"
	"unicode"
)

// The parameters of full text that every type has (FHIR R4 search.html#content).
const (
	ParamNarrative = "_text"    // the narrative, by the beginnings of its words
	ParamContent   = "_content" // anywhere in the resource: stores look into the resource itself, it has no rows
)

const maxWords = 2000 // different words of a narrative that are indexed

// Words returns the different words of a text.
func Words(text string) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) }) {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

// narrative hands the words of a resource's narrative on.
func narrative(r Resource, found Found) {
	text, _ := r["text"].(map[string]any)
	div, _ := text["div"].(string)
	if div == "" {
		return
	}
	words := Words(strings.ToLower(plainText(div)))
	slices.Sort(words)
	for _, w := range slices.Compact(words)[:min(len(words), maxWords)] {
		found(w, "string")
	}
}

// plainText returns XHTML without its tags; a tag parts words.
func plainText(div string) string {
	var b strings.Builder
	for div != "" {
		before, rest, ok := strings.Cut(div, "<")
		b.WriteString(before)
		b.WriteByte(' ')
		if !ok {
			break
		}
		_, div, _ = strings.Cut(rest, ">")
	}
	return html.UnescapeString(b.String())
}
