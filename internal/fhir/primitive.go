package fhir

import (
	"encoding/json"
	"fmt"
	"strings"
)

func isPrimitive(code string) bool { return code[0] >= 'a' && code[0] <= 'z' }

// checkPrimitive returns what is wrong with a value of a primitive type, "" when nothing is.
func checkPrimitive(code string, value any) string {
	switch code {
	case "boolean":
		if _, ok := value.(bool); !ok {
			return "must be true or false"
		}
		return ""
	case "integer", "positiveInt", "unsignedInt", "decimal":
		n, ok := value.(json.Number)
		if !ok {
			return "must be a number"
		}
		return checkNumber(code, n)
	}
	s, ok := value.(string)
	if !ok {
		return "must be a string (" + code + ")"
	}
	return checkText(code, s)
}

func checkNumber(code string, n json.Number) string {
	if code == "decimal" {
		if _, err := n.Float64(); err != nil {
			return "is out of range"
		}
		return ""
	}
	i, err := n.Int64()
	switch {
	case err != nil || i > 1<<31-1 || i < -1<<31:
		return "must be a whole number of 32 bits"
	case code == "positiveInt" && i < 1:
		return "must be 1 or more"
	case code == "unsignedInt" && i < 0:
		return "must not be negative"
	}
	return ""
}

func checkText(code, s string) string {
	if strings.TrimSpace(s) == "" {
		return "may not be empty"
	}
	if len(s) > maxString && code != "base64Binary" && code != "xhtml" {
		return "is longer than 1 MB"
	}
	if code == "xhtml" {
		return CheckNarrative(s)
	}
	good := !hasControl(s)
	switch code {
	case "id":
		good = ValidID(s)
	case "code":
		good = s == strings.TrimSpace(s) && !strings.Contains(s, "  ") && !strings.ContainsAny(s, "\t\r\n")
	case "uri", "url", "canonical":
		good = !strings.ContainsAny(s, " \t\r\n")
	case "oid":
		good = isOID(s)
	case "uuid":
		good = isUUID(s)
	case "base64Binary":
		good = isBase64(s)
	case "date":
		_, _, good = DateRange(s)
		good = good && !strings.Contains(s, "T")
	case "dateTime":
		_, _, good = DateRange(s)
		good = good && (!strings.Contains(s, "T") || zoned(s))
	case "instant":
		_, _, good = DateRange(s)
		good = good && len(s) >= 20 && zoned(s)
	case "time":
		_, _, good = DateRange("2000-01-01T" + s)
		good = good && len(s) >= 8 && !zoned("2000-01-01T"+s)
	}
	if !good {
		return fmt.Sprintf("%q is not a valid %s", clip(s), code)
	}
	return ""
}

// zoned reports whether a date with a time names seconds and a time zone, as FHIR wants it.
func zoned(s string) bool {
	_, clock, _ := strings.Cut(s, "T")
	return len(clock) > 8 && (strings.HasSuffix(clock, "Z") || strings.ContainsAny(clock, "+-"))
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// maxString bounds a string; FHIR asks for no more than 1 MB.
const maxString = 1 << 20

// hasControl reports whether s holds a control character that no string may have.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return true
		}
	}
	return false
}

// isOID reports whether s is "urn:oid:" and an OID: numbers without leading zeros, the first 0, 1 or 2.
func isOID(s string) bool {
	arcs, ok := strings.CutPrefix(s, "urn:oid:")
	first, rest, more := strings.Cut(arcs, ".")
	if !ok || !more || len(first) != 1 || first > "2" || first < "0" {
		return false
	}
	for arc := range strings.SplitSeq(rest, ".") {
		if arc == "" || strings.Trim(arc, "0123456789") != "" || len(arc) > 1 && arc[0] == '0' {
			return false
		}
	}
	return true
}

// isUUID reports whether s is "urn:uuid:" and a UUID.
func isUUID(s string) bool {
	u, ok := strings.CutPrefix(s, "urn:uuid:")
	if !ok || len(u) != 36 {
		return false
	}
	for i := range len(u) {
		c := u[i]
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return false
		}
	}
	return true
}

// isBase64 reports whether s is base64 with padding; white space may stand anywhere.
func isBase64(s string) bool {
	n, padding := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
			if n++; padding > 0 {
				return false
			}
		case c == '=':
			n++
			padding++
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			return false
		}
	}
	return n%4 == 0 && padding <= 2
}
