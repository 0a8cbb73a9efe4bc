package fhir

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Raw is JSON that Encode copies as it is: a stored document inside a Bundle need not be decoded.
type Raw []byte

// Encode writes a resource as compact JSON: resourceType, id and meta first, the rest in alphabetical order, numbers
// as they were read.
func Encode(r Resource) []byte { return appendObject(make([]byte, 0, 1024), r, true) }

func appendObject(b []byte, o map[string]any, top bool) []byte {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, c string) int {
		if d := keyRank(a) - keyRank(c); d != 0 && (top || o["resourceType"] != nil) {
			return d
		}
		if a < c {
			return -1
		}
		return 1
	})
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendValue(b, o[k])
	}
	return append(b, '}')
}

func keyRank(k string) int {
	switch k {
	case "resourceType":
		return 0
	case "id":
		return 1
	case "meta":
		return 2
	}
	return 3
}

func appendValue(b []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		return appendString(b, x)
	case json.Number:
		return append(b, x...)
	case bool:
		if x {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case map[string]any:
		return appendObject(b, x, false)
	case Resource:
		return appendObject(b, x, false)
	case Raw:
		return append(b, x...)
	case []any:
		return appendList(b, x)
	case []Resource:
		return appendList(b, x)
	case nil:
		return append(b, "null"...)
	}
	if n := normal(v); n != nil {
		return appendValue(b, n)
	}
	return append(b, "null"...)
}

func appendList[T any](b []byte, items []T) []byte {
	b = append(b, '[')
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, any(it))
	}
	return append(b, ']')
}

func appendString(b []byte, s string) []byte {
	plain := utf8.ValidString(s)
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	q, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // impossible: a string always encodes
	}
	return append(b, q...)
}
