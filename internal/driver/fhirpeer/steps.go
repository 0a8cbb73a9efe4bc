package fhirpeer

import (
	"context"
	"fmt"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Step is one thing that was tried, in plain words.
type Step struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Test tries what an exchange needs, one step after the other, and changes nothing there. What depends on a step that failed
// is not tried.
func (c *Client) Test(ctx context.Context, push, pull []string) (out []Step) {
	say := func(name string, err error, format string, args ...any) bool {
		s := Step{Name: name, OK: err == nil, Text: fmt.Sprintf(format, args...)}
		if err != nil {
			s.Text = vigil.Message(err)
		}
		out = append(out, s)
		return err == nil
	}
	if c.cfg.ClientID != "" {
		say("key", nil, "signs with %s, kid %s", c.cfg.Key.Algorithm(), c.cfg.Key.jwk.KeyID)
		at := c.cfg.TokenURL
		if at == "" {
			var err error
			if at, err = c.discover(ctx); !say("discovery", err, "tokens are had at %s", at) {
				return out
			}
		}
		if _, err := c.access(ctx); !say("token", err, "granted: %s", c.scopes) {
			return out
		}
	}
	a, err := c.Do(ctx, peer.Request{Method: "GET", Path: "metadata"})
	if err == nil && a.Resource.Type() != "CapabilityStatement" {
		err = fault(vigil.Invalid, a.Status, "the address answers, but not as a FHIR server")
	}
	if !say("server", err, "%s, FHIR %s", a.Resource.Str("software.name"), a.Resource.Str("fhirVersion")) {
		return out
	}
	if v := a.Resource.Str("fhirVersion"); !strings.HasPrefix(v, "4.0") {
		say("version", fault(vigil.Invalid, 0, "FHIR %s is not R4 (4.0.1)", v), "")
	}
	for _, typ := range pull {
		_, err := c.Do(ctx, peer.Request{Method: "GET", Path: typ + "?_count=1&_sort=_lastUpdated"})
		say("pull "+typ, err, "can be searched")
	}
	for _, typ := range push {
		say("push "+typ, mayPush(a.Resource, typ), "can be written under an identifier (conditional update)")
	}
	return out
}

// mayPush reads from the capability statement whether a type can be written as we write it.
func mayPush(capability fhir.Resource, typ string) error {
	for _, rest := range capability.List("rest") {
		for _, r := range rest.List("resource") {
			if r.Str("type") != typ {
				continue
			}
			if may, _ := r["conditionalUpdate"].(bool); !may {
				return fault(vigil.Invalid, 0, "the server does not say that it takes conditional updates of %s; without them nothing can be sent safely", typ)
			}
			return nil
		}
	}
	return fault(vigil.Invalid, 0, "the server does not keep %s", typ)
}
