package fhir

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// narrativeElements are the XHTML elements that a Narrative may hold: chapters 7 to 11 (without 4) and 15 of HTML 4.0,
// links and images.
const narrativeElements = " a abbr acronym b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var u s strike center font ins del "

// narrativeAttributes are the attributes that they may have.
const narrativeAttributes = " abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite class colspan compact coords color dir face frame headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan rules scope shape size span src start style summary tabindex target title type valign value vspace width xmlns "

// CheckNarrative returns what is wrong with the XHTML of a Narrative.div, "" when nothing is: it is one well-formed div
// with content, and nothing in it runs.
func CheckNarrative(s string) string {
	dec := xml.NewDecoder(strings.NewReader(s))
	dec.Entity = xml.HTMLEntity
	depth, content, divs := 0, false, 0
	for {
		tok, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			if divs != 1 || depth != 0 {
				return "must be one div element"
			}
			if !content {
				return "has no content"
			}
			return ""
		case err != nil:
			return "is not well-formed XHTML: " + err.Error()
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				if divs++; t.Name.Local != "div" {
					return "must be one div element"
				}
			}
			if depth++; depth > 200 {
				return "is nested deeper than 200 levels"
			}
			if msg := checkTag(t); msg != "" {
				return msg
			}
			content = content || t.Name.Local == "img"
		case xml.EndElement:
			depth--
		case xml.CharData:
			text := strings.TrimSpace(string(t)) != ""
			if content = content || text; depth == 0 && text {
				return "must be one div element"
			}
		case xml.Directive, xml.ProcInst:
			return "may not hold a declaration"
		}
	}
}

func checkTag(t xml.StartElement) string {
	if t.Name.Space != "" && t.Name.Space != "http://www.w3.org/1999/xhtml" {
		return "holds an element of the namespace " + t.Name.Space
	}
	if !strings.Contains(narrativeElements, " "+t.Name.Local+" ") {
		return "may not hold the element " + clip(t.Name.Local)
	}
	for _, a := range t.Attr {
		value := strings.ToLower(strings.TrimSpace(a.Value))
		switch name := a.Name.Local; {
		case a.Name.Space == "xmlns", a.Name.Space == "xml" || a.Name.Space == "http://www.w3.org/XML/1998/namespace":
		case !strings.Contains(narrativeAttributes, " "+name+" "):
			return "may not hold the attribute " + clip(name)
		case (name == "href" || name == "src") && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "vbscript:")):
			return "may not hold a script"
		}
	}
	return ""
}
