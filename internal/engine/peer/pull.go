package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// pagesAtOnce bounds one search of a pull: the rest comes with the next, from the mark on.
const pagesAtOnce = 100

// pullAll reads what changed at the peer since the last time.
func (l *line) pullAll(ctx context.Context) {
	for _, p := range l.Pull {
		if err := l.pull(ctx, p); err != nil {
			if ctx.Err() == nil {
				l.failed(err, 1)
				l.d.cfg.Log.Warn("peer.pull", "peer", l.Name, "type", p.Type, "kind", vigil.KindOf(err))
			}
			break
		}
	}
	l.nextPull = l.d.cfg.Now().Add(max(l.Every, time.Second))
}

// pull reads one search page by page, oldest change first; the mark moves with every page.
func (l *line) pull(ctx context.Context, p Pull) error {
	name := "pull " + p.Type
	mark, err := l.d.cfg.Links.Mark(ctx, l.Name, name)
	if err != nil {
		return err
	}
	ask, err := url.ParseQuery(p.Query)
	if err != nil {
		return wrong("the query of pull %s cannot be read", p.Type)
	}
	ask.Set("_sort", "_lastUpdated")
	ask.Set("_count", "100")
	if mark != "" {
		ask.Add("_lastUpdated", "ge"+mark)
	}
	at := p.Type + "?" + ask.Encode()
	for range pagesAtOnce {
		a, err := l.Remote.Do(ctx, Request{Method: "GET", Path: at})
		if err != nil {
			return err
		}
		newest, err := l.page(ctx, a.Resource, p.Type)
		if err != nil {
			return err
		}
		if later(newest, mark) {
			mark = newest
			if err := l.d.cfg.Links.SetMark(ctx, l.Name, name, mark); err != nil {
				return err
			}
		}
		l.worked(func() {})
		if at = nextLink(a.Resource); at == "" {
			return nil
		}
	}
	return nil
}

// page keeps what one page brought and returns the newest lastUpdated on it. What cannot be kept is set aside in the queue,
// so that it is seen and the rest goes on.
func (l *line) page(ctx context.Context, bundle fhir.Resource, typ string) (newest string, err error) {
	for _, e := range bundle.List("entry") {
		r := resourceOf(e)
		if r.Type() != typ || !fhir.ValidID(r.ID()) || e.Str("search.mode") == "outcome" {
			continue
		}
		if at := r.Str("meta.lastUpdated"); later(at, newest) {
			newest = at
		}
		_, err := l.keep(ctx, r, 0)
		if kind := vigil.KindOf(err); kind == vigil.Invalid || kind == vigil.NotFound || kind == vigil.Conflict {
			now := l.d.cfg.Now()
			it := Item{Peer: l.Name, Key: "pull " + r.Ref(), Added: now, Due: now, Tries: 1, Dead: true, Error: said(err)}
			if err = l.d.cfg.Queue.Enqueue(ctx, l.Name, []Item{it}, "", ""); err != nil {
				return newest, err
			}
			continue
		}
		if err != nil {
			return newest, err
		}
	}
	return newest, nil
}

// later reports whether instant a is after b; "" is before all.
func later(a, b string) bool {
	x, err := time.Parse(time.RFC3339Nano, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.RFC3339Nano, b)
	return err != nil || x.After(y)
}

func nextLink(b fhir.Resource) string {
	for _, k := range b.List("link") {
		if k.Str("relation") == "next" {
			return k.Str("url")
		}
	}
	return ""
}

// pullOne reads one resource of the peer and keeps it.
func (l *line) pullOne(ctx context.Context, ref string, depth int) error {
	a, err := l.Remote.Do(ctx, Request{Method: "GET", Path: ref})
	if err != nil {
		return err
	}
	if a.Resource.Ref() != ref {
		return wrong("%s was asked for %s and answered with %s", l.Name, ref, a.Resource.Ref())
	}
	_, err = l.keep(ctx, a.Resource, depth)
	return err
}

// keep writes a resource of the peer here and returns what it is called here; "" when it is none of theirs.
func (l *line) keep(ctx context.Context, r fhir.Resource, depth int) (local string, err error) {
	if slices.ContainsFunc(r.List("meta.tag"), func(t fhir.Resource) bool { return t.Str("system") == TagHouse && t.Str("code") == l.d.house }) {
		return "", nil // came from here
	}
	remote, version := r.Ref(), versionOf(r)
	link, err := l.d.cfg.Links.Remote(ctx, l.Name, remote)
	switch kind := vigil.KindOf(err); {
	case kind == vigil.NotFound:
		if link, err = l.recognise(ctx, r); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	case link.Version == version || link.Own:
		return link.Local, nil
	}
	link.Peer, link.Remote, link.Version = l.Name, remote, version
	if err := l.write(ctx, r, link.Local, depth); err != nil {
		return "", err
	}
	return link.Local, l.d.cfg.Links.Put(ctx, link)
}

func versionOf(r fhir.Resource) string {
	if v := r.Str("meta.versionId"); v != "" {
		return v
	}
	return r.Str("meta.lastUpdated")
}

// recognise finds the patient here who has the shared identifier, else names the record by what it is called there: a second
// pull of the same finds the same.
func (l *line) recognise(ctx context.Context, r fhir.Resource) (Link, error) {
	sum := sha256.Sum256([]byte(l.Name + "\x00" + r.Ref()))
	link := Link{Local: r.Type() + "/" + hex.EncodeToString(sum[:16])}
	value := identified(r, l.Identifier)
	if r.Type() != "Patient" || value == "" {
		return link, nil
	}
	page, err := l.d.cfg.Records.Search(ctx, "Patient", url.Values{"identifier": {l.Identifier + "|" + value}, "_count": {"2"}})
	if err != nil {
		return link, err
	}
	switch len(page.Records) {
	case 0:
	case 1:
		link.Local = page.Records[0].Ref()
	default:
		return link, wrong("two patients here have the identifier of %s: merge them first", r.Ref())
	}
	return link, nil
}

// write keeps the resource under a local name, unless it says the same already or the record is our own.
func (l *line) write(ctx context.Context, r fhir.Resource, local string, depth int) error {
	typ, id, _ := strings.Cut(local, "/")
	out := fhir.Normal(r)
	out["id"] = id
	l.markPulled(out, r.Ref())
	if err := l.localise(ctx, map[string]any(out), depth); err != nil {
		return err
	}
	rec, err := l.d.cfg.Records.Read(ctx, typ, id)
	if err == nil {
		was, err := rec.Resource()
		if err != nil {
			return err
		}
		if l.d.fromHere(was) || same(was, out) {
			return nil
		}
	} else if vigil.KindOf(err) != vigil.NotFound {
		return err
	}
	if _, err := l.d.cfg.Records.Update(ctx, out, 0); err != nil {
		return err
	}
	l.mu.Lock()
	l.pulled++
	l.mu.Unlock()
	return nil
}

// markPulled says whose the record is.
func (l *line) markPulled(out fhir.Resource, remote string) {
	meta := map[string]any{"source": l.Base + "/" + remote}
	tags := []any{map[string]any{"system": TagPeer, "code": l.Name}}
	for _, t := range out.List("meta.tag") {
		if t.Str("system") != TagPeer {
			tags = append(tags, map[string]any(t))
		}
	}
	meta["tag"] = tags
	if v := out.Get("meta.profile"); v != nil {
		meta["profile"] = v
	}
	if labels := slices.DeleteFunc(out.List("meta.security"), func(s fhir.Resource) bool { return s.Str("system") == "urn:vigil:security" }); len(labels) > 0 {
		list := make([]any, len(labels))
		for i := range labels {
			list[i] = map[string]any(labels[i])
		}
		meta["security"] = list
	}
	out["meta"] = meta
}

// same reports whether two resources differ in nothing but version and time.
func same(a, b fhir.Resource) bool {
	bare := func(r fhir.Resource) []byte {
		c := fhir.Normal(r)
		if meta, ok := c["meta"].(map[string]any); ok {
			delete(meta, "versionId")
			delete(meta, "lastUpdated")
		}
		return fhir.Encode(c)
	}
	return bytes.Equal(bare(a), bare(b))
}

// localise turns the peer's references into ours; what is not here keeps its whole address there.
func (l *line) localise(ctx context.Context, v any, depth int) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := l.localise(ctx, x, depth); err != nil {
				return err
			}
		}
	case map[string]any:
		if ref, ok := v["reference"].(string); ok {
			to, err := l.here(ctx, ref, depth)
			if err == nil {
				v["reference"] = to
			}
			return err
		}
		for _, x := range v {
			if err := l.localise(ctx, x, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// here returns what a reference of the peer is called here, fetching the patient or encounter that it names.
func (l *line) here(ctx context.Context, ref string, depth int) (string, error) {
	to := fhir.ParseReference(strings.TrimPrefix(ref, l.Base+"/"))
	if to.Type == "" || to.ID == "" || strings.HasPrefix(ref, "#") || strings.HasPrefix(ref, "urn:") ||
		strings.Contains(ref, "://") && !strings.HasPrefix(ref, l.Base+"/") {
		return ref, nil
	}
	remote := to.Type + "/" + to.ID
	for fetched := false; ; fetched = true {
		link, err := l.d.cfg.Links.Remote(ctx, l.Name, remote)
		if err == nil {
			return link.Local, nil
		}
		if vigil.KindOf(err) != vigil.NotFound {
			return "", err
		}
		if fetched || depth >= deepest || to.Type != "Patient" && to.Type != "Encounter" {
			return l.Base + "/" + remote, nil
		}
		err = l.pullOne(ctx, remote, depth+1)
		if kind := vigil.KindOf(err); kind == vigil.Unavailable || kind == vigil.Internal {
			return "", err
		}
	}
}
