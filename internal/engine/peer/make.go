package peer

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

const (
	categories = "http://terminology.hl7.org/CodeSystem/observation-category"
	statistics = "http://terminology.hl7.org/CodeSystem/observation-statistics"
)

// summary is what an hour of one metric comes to.
type summary struct {
	metric   vigil.Metric
	resource fhir.Resource
}

// summaries writes lines of one bucket each as Observations: the mean as value, smallest, largest and count as components
// coded as observation-statistics, over an effectivePeriod. A metric without a LOINC code, or of which every sample is
// doubted, is left out.
func summaries(subject vigil.Subject, from time.Time, span time.Duration, lines []telemetry.Line) (out []summary) {
	for _, line := range lines {
		m, ok := coding.Lookup(line.Metric)
		if !ok || m.LOINC == "" || m.Shape != coding.Numeric || len(line.Points) == 0 {
			continue
		}
		low, high, sum, count := math.Inf(1), math.Inf(-1), 0.0, 0
		for _, p := range line.Points {
			n := max(p.Count, 1)
			low, high = min(low, p.Min), max(high, p.Max)
			sum, count = sum+p.Mean*float64(n), count+n
		}
		codings := []fhir.Resource{fhir.Coding(coding.SystemLOINC, m.LOINC, m.Name)}
		if m.MDC != "" {
			codings = append(codings, fhir.Coding(coding.SystemMDC, m.MDC, m.MDCName))
		}
		statistic := func(code, display string) fhir.Resource {
			return fhir.Concept("", fhir.Coding(statistics, code, display))
		}
		o := fhir.New("Observation", "").With("status", "final").
			With("category", []fhir.Resource{fhir.Concept("", fhir.Coding(categories, "vital-signs", "Vital Signs"))}).
			With("code", fhir.Concept(m.Name, codings...)).With("subject", fhir.Ref(string(subject), "")).
			With("effectivePeriod", period(from, from.Add(span))).
			With("method", fhir.Concept("mean of "+strconv.Itoa(count)+" measurements", fhir.Coding(statistics, "average", "Average"))).
			With("valueQuantity", quantity(m, sum/float64(count))).
			With("component", []fhir.Resource{
				{"code": statistic("minimum", "Minimum"), "valueQuantity": quantity(m, low)},
				{"code": statistic("maximum", "Maximum"), "valueQuantity": quantity(m, high)},
				{"code": statistic("count", "Count"), "valueInteger": count},
			})
		out = append(out, summary{line.Metric, o})
	}
	return out
}

func period(from, to time.Time) fhir.Resource {
	p := fhir.Resource{"start": fhir.Instant(from)}
	if !to.IsZero() {
		p["end"] = fhir.Instant(to)
	}
	return p
}

// quantity writes a value with one digit more than the metric is shown with.
func quantity(m coding.Metric, v float64) fhir.Resource {
	scale := math.Pow10(m.Decimals + 1)
	return fhir.Quantity(math.Round(v*scale)/scale, m.Unit, m.UCUM)
}

// alarmResources writes an alarm as the resources that are asked for, the DetectedIssue first.
func alarmResources(a *vigil.Alarm, as []string) (out []fhir.Resource) {
	if slices.Contains(as, "DetectedIssue") {
		out = append(out, detectedIssue(a))
	}
	if slices.Contains(as, "Flag") {
		out = append(out, flag(a))
	}
	if slices.Contains(as, "Communication") {
		if c := communication(a); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// sentence is the alarm in one line of words.
func sentence(a *vigil.Alarm) string {
	if a.Evidence != nil && a.Evidence.Sentence != "" {
		return a.Title + ": " + a.Evidence.Sentence
	}
	if a.Text != "" {
		return a.Title + ": " + a.Text
	}
	return a.Title
}

// alarmCode codes what alarms: the metric where there is one.
func alarmCode(a *vigil.Alarm) fhir.Resource {
	codings := []fhir.Resource{fhir.Coding("urn:vigil:rule", a.Rule, a.Title)}
	if m, ok := coding.Lookup(a.Metric); ok && m.LOINC != "" {
		codings = append(codings, fhir.Coding(coding.SystemLOINC, m.LOINC, m.Name))
	}
	return fhir.Concept(a.Title, codings...)
}

// detectedIssue is the episode: preliminary while it is open, final once it is resolved.
func detectedIssue(a *vigil.Alarm) fhir.Resource {
	status := "preliminary"
	if !a.Open() {
		status = "final"
	}
	severity := map[vigil.Priority]string{vigil.PriorityHigh: "high", vigil.PriorityMedium: "moderate"}[a.Priority]
	if severity == "" {
		severity = "low"
	}
	r := fhir.New("DetectedIssue", "").With("status", status).With("severity", severity).With("code", alarmCode(a)).
		With("patient", fhir.Ref(string(a.Subject), "")).With("identifiedPeriod", period(a.Onset, a.Ended)).With("detail", sentence(a))
	if !a.AckedAt.IsZero() {
		r["mitigation"] = []fhir.Resource{{"action": fhir.Concept("Acknowledged by " + a.AckedBy), "date": fhir.Instant(a.AckedAt)}}
	}
	return r
}

// flag is shown in the chart while the alarm is open.
func flag(a *vigil.Alarm) fhir.Resource {
	status := "active"
	if !a.Open() {
		status = "inactive"
	}
	return fhir.New("Flag", "").With("status", status).
		With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/flag-category", "clinical", "Clinical"))}).
		With("code", fhir.Concept(sentence(a), alarmCode(a)["coding"].([]fhir.Resource)...)).
		With("subject", fhir.Ref(string(a.Subject), "")).With("period", period(a.Onset, a.Resolved))
}

// communication says who was told: nil while nobody was.
func communication(a *vigil.Alarm) fhir.Resource {
	var told []fhir.Resource
	var sent time.Time
	for _, s := range a.History {
		if (s.What == "paged" || s.What == "escalated" || s.What == "passed_on") && s.Who != "" {
			if sent.IsZero() {
				sent = s.At
			}
			told = append(told, fhir.Resource{"type": "Practitioner", "display": s.Who})
		}
	}
	if len(told) == 0 {
		return nil
	}
	status := "in-progress"
	if !a.AckedAt.IsZero() || !a.Open() {
		status = "completed"
	}
	priority := map[vigil.Priority]string{vigil.PriorityHigh: "stat", vigil.PriorityMedium: "urgent"}[a.Priority]
	if priority == "" {
		priority = "routine"
	}
	c := fhir.New("Communication", "").With("status", status).With("priority", priority).With("subject", fhir.Ref(string(a.Subject), "")).
		With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/communication-category", "alert", "Alert"))}).
		With("sent", fhir.Instant(sent)).With("recipient", told).With("payload", []fhir.Resource{{"contentString": sentence(a)}})
	if !a.AckedAt.IsZero() {
		c["received"] = fhir.Instant(a.AckedAt)
	}
	return c
}
