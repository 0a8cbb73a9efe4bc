package peer

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// deepest bounds how far references are followed to send what something refers to first.
const deepest = 3

func wrong(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "peer.push", format, args...)
}

// deliver brings the peer what a key names, in its newest state.
func (l *line) deliver(ctx context.Context, key string) error {
	kind, rest, _ := strings.Cut(key, " ")
	switch kind {
	case "record":
		return l.pushRecord(ctx, rest)
	case "alarm":
		return l.pushAlarm(ctx, rest)
	case "vitals":
		return l.pushVitals(ctx, rest)
	case "pull":
		return l.pullOne(ctx, rest, 0)
	}
	return wrong("%q is nothing that can be sent", key)
}

// identifier is the own one of anything that is sent.
func (d *Desk) identifier(value string) fhir.Resource {
	return fhir.Identifier("urn:vigil:"+d.house, value)
}

// pushRecord brings a record as it is now: made, updated or deleted.
func (l *line) pushRecord(ctx context.Context, ref string) error {
	typ, id, _ := strings.Cut(ref, "/")
	rec, err := l.d.cfg.Records.Read(ctx, typ, id)
	if vigil.KindOf(err) == vigil.NotFound {
		return l.pushDeletion(ctx, ref)
	}
	if err != nil {
		return err
	}
	if !l.d.ours(rec) {
		return nil
	}
	r, err := rec.Resource()
	if err != nil {
		return err
	}
	_, err = l.push(ctx, r, 0)
	return err
}

// pushDeletion takes back what we made; what is theirs stays.
func (l *line) pushDeletion(ctx context.Context, ref string) error {
	link, err := l.d.cfg.Links.Local(ctx, l.Name, ref)
	if vigil.KindOf(err) == vigil.NotFound || err == nil && !link.Own {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = l.Remote.Do(ctx, Request{Method: "DELETE", Path: link.Remote})
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return err
	}
	return l.d.cfg.Links.Drop(ctx, l.Name, ref)
}

// push brings one resource of ours and returns what it is called there.
func (l *line) push(ctx context.Context, r fhir.Resource, depth int) (remote string, err error) {
	ref := r.Ref()
	link, err := l.d.cfg.Links.Local(ctx, l.Name, ref)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return "", err
	}
	if err == nil && !link.Own {
		return link.Remote, nil // theirs, and known under its name
	}
	known := err == nil
	if !known && r.Type() == "Patient" {
		if remote, err := l.match(ctx, r); err != nil || remote != "" {
			return remote, err
		}
		if !slices.Contains(l.Push, "Patient") {
			return "", wrong("%s does not know %s, and Patient is not among what is pushed: add it to push, or give both the same identifier", l.Name, ref)
		}
	}
	body, err := l.outgoing(ctx, r, depth)
	if err != nil {
		return "", err
	}
	if known {
		_, id, _ := strings.Cut(link.Remote, "/")
		body["id"] = id
		_, err := l.Remote.Do(ctx, Request{Method: "PUT", Path: link.Remote, Body: body})
		if vigil.KindOf(err) != vigil.NotFound {
			return link.Remote, err
		}
		delete(body, "id") // gone there: made anew
	}
	if remote, err = l.put(ctx, body, ref); err != nil {
		return "", err
	}
	return remote, l.d.cfg.Links.Put(ctx, Link{Peer: l.Name, Local: ref, Remote: remote, Own: true})
}

// put writes a resource under its own identifier, so that a second time changes it and makes no second one.
func (l *line) put(ctx context.Context, body fhir.Resource, value string) (remote string, err error) {
	typ := body.Type()
	condition := url.Values{"identifier": {l.d.identifier(value).Str("system") + "|" + value}}
	a, err := l.Remote.Do(ctx, Request{Method: "PUT", Path: typ + "?" + condition.Encode(), Body: body})
	if err != nil {
		return "", err
	}
	if remote = created(a, typ); remote == "" {
		return "", wrong("%s wrote the %s and does not say under which id", l.Name, typ)
	}
	return remote, nil
}

// created reads which resource an answer is about, from its body or its Location.
func created(a Answer, typ string) string {
	if a.Resource.Type() == typ && fhir.ValidID(a.Resource.ID()) {
		return a.Resource.Ref()
	}
	parts := strings.Split(strings.Trim(a.Location, "/"), "/")
	if i := slices.Index(parts, "_history"); i > 0 {
		parts = parts[:i]
	}
	if n := len(parts); n >= 2 && parts[n-2] == typ && fhir.ValidID(parts[n-1]) {
		return typ + "/" + parts[n-1]
	}
	return ""
}

// match finds the peer's own record of a patient by the identifier that both know. It is linked and never written over.
func (l *line) match(ctx context.Context, r fhir.Resource) (remote string, err error) {
	value := identified(r, l.Identifier)
	if value == "" {
		return "", nil
	}
	a, err := l.Remote.Do(ctx, Request{Method: "GET", Path: "Patient?" + url.Values{"identifier": {l.Identifier + "|" + value}}.Encode()})
	if err != nil {
		return "", err
	}
	var found []fhir.Resource
	for _, e := range a.Resource.List("entry") {
		if res := resourceOf(e); res.Type() == "Patient" && fhir.ValidID(res.ID()) && e.Str("search.mode") != "include" {
			found = append(found, res)
		}
	}
	switch {
	case len(found) == 0:
		return "", nil
	case len(found) > 1:
		return "", wrong("%s has %d patients with the identifier of %s: merge them there", l.Name, len(found), r.Ref())
	}
	own := slices.ContainsFunc(found[0].List("identifier"), func(i fhir.Resource) bool { return i.Str("system") == "urn:vigil:"+l.d.house })
	remote = found[0].Ref()
	if err := l.d.cfg.Links.Put(ctx, Link{Peer: l.Name, Local: r.Ref(), Remote: remote, Own: own}); err != nil {
		return "", err
	}
	if own {
		return l.push(ctx, r, deepest) // made by us before a kill: brought up to date
	}
	return remote, nil
}

func identified(r fhir.Resource, system string) string {
	if system == "" {
		return ""
	}
	for _, i := range r.List("identifier") {
		if i.Str("system") == system {
			return i.Str("value")
		}
	}
	return ""
}

func resourceOf(e fhir.Resource) fhir.Resource {
	m, _ := e["resource"].(map[string]any)
	return m
}

// outgoing is the resource as it leaves: with our mark and identifier, and with references that mean something there.
func (l *line) outgoing(ctx context.Context, r fhir.Resource, depth int) (fhir.Resource, error) {
	ref := r.Ref()
	out := fhir.Normal(r)
	delete(out, "id")
	l.mark(out)
	out["identifier"] = withIdentifier(out, l.d.identifier(ref))
	return out, l.translate(ctx, map[string]any(out), depth)
}

// mark says where a resource is from.
func (l *line) mark(out fhir.Resource) {
	meta := fhir.Resource{"source": "urn:vigil:" + l.d.house}
	tags := []any{map[string]any{"system": TagHouse, "code": l.d.house}}
	for _, t := range out.List("meta.tag") {
		if s := t.Str("system"); s != TagHouse && s != TagPeer {
			tags = append(tags, map[string]any(t))
		}
	}
	meta["tag"] = tags
	for _, key := range []string{"profile", "security"} {
		if v := out.Get("meta." + key); v != nil {
			meta[key] = v
		}
	}
	out["meta"] = map[string]any(meta)
}

func withIdentifier(out fhir.Resource, own fhir.Resource) []any {
	if one, ok := out["identifier"].(map[string]any); ok { // of a type with one identifier at most
		return []any{one, map[string]any(own)}
	}
	list, _ := out["identifier"].([]any)
	list = slices.DeleteFunc(slices.Clone(list), func(v any) bool {
		m, _ := v.(map[string]any)
		return fhir.Resource(m).Str("system") == own.Str("system")
	})
	return append(list, map[string]any(own))
}

// translate turns references into those of the peer. What it does not have and is not sent is named by identifier.
func (l *line) translate(ctx context.Context, v any, depth int) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := l.translate(ctx, x, depth); err != nil {
				return err
			}
		}
	case map[string]any:
		if ref, ok := v["reference"].(string); ok {
			return l.refer(ctx, v, ref, depth)
		}
		for _, x := range v {
			if err := l.translate(ctx, x, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *line) refer(ctx context.Context, v map[string]any, ref string, depth int) error {
	to := fhir.ParseReference(ref)
	if to.Type == "" || to.ID == "" || strings.Contains(ref, "://") || strings.HasPrefix(ref, "urn:") || strings.HasPrefix(ref, "#") {
		return nil
	}
	local := to.Type + "/" + to.ID
	link, err := l.d.cfg.Links.Local(ctx, l.Name, local)
	if err == nil {
		v["reference"] = link.Remote
		return nil
	}
	if vigil.KindOf(err) != vigil.NotFound {
		return err
	}
	if (to.Type == "Patient" || to.Type == "Encounter" && slices.Contains(l.Push, "Encounter")) && depth < deepest {
		rec, err := l.d.cfg.Records.Read(ctx, to.Type, to.ID)
		if err != nil {
			return wrong("it refers to %s, which is not here: %s", local, vigil.Message(err))
		}
		r, err := rec.Resource()
		if err != nil {
			return err
		}
		remote, err := l.push(ctx, r, depth+1)
		if err != nil {
			return err
		}
		v["reference"] = remote
		return nil
	}
	delete(v, "reference")
	v["type"] = to.Type
	v["identifier"] = map[string]any(l.d.identifier(local))
	return nil
}

// pushAlarm brings an alarm in the forms that the peer wants.
func (l *line) pushAlarm(ctx context.Context, id string) error {
	a, err := l.d.cfg.Alarms.Get(ctx, id)
	if err != nil {
		return err
	}
	issue := ""
	for _, r := range alarmResources(&a, l.Alarms) {
		body := fhir.Normal(r)
		if issue != "" && body.Type() == "Communication" {
			body["about"] = []any{map[string]any{"reference": issue}}
		}
		remote, err := l.pushMade(ctx, body, "alarm/"+a.ID)
		if err != nil {
			return err
		}
		if body.Type() == "DetectedIssue" {
			issue = remote
		}
	}
	return nil
}

// pushMade brings a resource that is made for the peer and is no record here.
func (l *line) pushMade(ctx context.Context, body fhir.Resource, value string) (string, error) {
	about, _ := body["about"].([]any) // is the peer's own already
	delete(body, "about")
	if err := l.translate(ctx, map[string]any(body), 0); err != nil {
		return "", err
	}
	if len(about) > 0 {
		body["about"] = about
	}
	l.mark(body)
	body["identifier"] = []any{map[string]any(l.d.identifier(value))}
	return l.put(ctx, body, value)
}

// pushVitals brings the summary of a patient's vitals over a time, one Observation a metric.
func (l *line) pushVitals(ctx context.Context, rest string) error {
	subject, from, span, ok := parseVitals(rest)
	if !ok {
		return wrong("%q is no time of a patient", rest)
	}
	lines, err := l.d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: subject, Metrics: l.Vitals.Metrics, From: from, To: from.Add(span), Points: 1})
	if err != nil {
		return err
	}
	for _, o := range summaries(subject, from, span, lines) {
		if _, err := l.pushMade(ctx, fhir.Normal(o.resource), "vitals/"+strings.ReplaceAll(rest, " ", "/")+"/"+string(o.metric)); err != nil {
			return err
		}
	}
	return nil
}
