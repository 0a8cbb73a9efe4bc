package record_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

func eyeColour(expression string) fhir.Resource {
	r, err := fhir.Parse([]byte(`{"resourceType":"SearchParameter","id":"eye","url":"http://example.org/eye","name":"Eye","status":"active","description":"colour of the eyes",
	 "code":"eye-colour","base":["Patient"],"type":"token"}`))
	if err != nil {
		panic(err)
	}
	return r.With("expression", expression)
}

func TestCustomSearchParameter(t *testing.T) {
	s, ctx := open(t), nurse(t)
	eye := func(id, colour string) fhir.Resource {
		return fhir.New("Patient", id).With("extension", []fhir.Resource{{"url": "http://example.org/eye", "valueCode": colour}})
	}
	const expression = "Patient.extension.where(url = 'http://example.org/eye').value"
	search := func() (string, error) {
		page, err := s.Search(ctx, "Patient", url.Values{"eye-colour": {"green"}})
		return strings.Join(ids(page), " "), err
	}
	put(t, s, eye("before", "green"))
	if _, err := search(); vigil.KindOf(err) != vigil.Invalid {
		t.Fatalf("before it is defined: %v", err)
	}
	put(t, s, eyeColour(expression), eye("after", "green"), eye("brown", "brown"))
	if got, err := search(); err != nil || got != "after" {
		t.Errorf("once defined: %q, %v", got, err)
	}
	admin := access.With(t.Context(), access.Principal{ID: "a", Roles: []access.Role{access.Admin}})
	if n, err := s.Reindex(admin, s.ParamsOf("eye"), nil); err != nil || n != 3 {
		t.Errorf("reindexed %d, %v", n, err)
	}
	if got, err := search(); err != nil || got != "after before" {
		t.Errorf("reindexed: %q, %v", got, err)
	}
	if _, err := s.Reindex(ctx, []string{"Patient"}, nil); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a nurse reindexes: %v", err)
	}
	if err := s.Delete(ctx, "SearchParameter", "eye"); err != nil {
		t.Fatal(err)
	}
	if _, err := search(); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("after it is gone: %v", err)
	}
}

func TestCustomSearchParameterSurvivesRestart(t *testing.T) {
	s := open(t)
	put(t, s, eyeColour("Patient.extension.value"))
	again := record.New(record.Config{Backend: s.backend})
	if err := again.LoadParams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Search(nurse(t), "Patient", url.Values{"eye-colour": {"green"}}); err != nil {
		t.Error(err)
	}
}

func TestCustomSearchParameterRefused(t *testing.T) {
	s := open(t)
	for says, r := range map[string]fhir.Resource{
		"SearchParameter.expression": eyeColour("Patient.where("),
		"has a parameter":            eyeColour("Patient.name").With("code", "name"),
		"cannot be added":            eyeColour("Patient.name").With("type", "composite"),
		"name of a parameter":        eyeColour("Patient.name").With("code", "a:b"),
	} {
		if _, err := s.Update(nurse(t), r, 0); vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %q", err, says)
		}
	}
}
