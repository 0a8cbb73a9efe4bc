package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/condition"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// ruleCmd is what people do with the rules that raise alarms.
type ruleCmd struct {
	Test     ruleTestCmd     `cmd:"" help:"Run the tests of a rule file on this machine, without a server."`
	List     ruleListCmd     `cmd:"" help:"List the rules of a running Vigil, each as a sentence."`
	Show     ruleShowCmd     `cmd:"" help:"Show a rule: sentence, text, versions, and who did what."`
	Propose  ruleProposeCmd  `cmd:"" help:"Propose the rule in a file, or --off KEY to switch a rule of the catalogue off."`
	Approve  ruleStepCmd     `cmd:"" help:"Approve a proposed version. Its author cannot."`
	Reject   ruleStepCmd     `cmd:"" help:"Send a proposed version back to its author."`
	Shadow   ruleStepCmd     `cmd:"" help:"Put an approved version on trial: it is evaluated and disturbs nobody."`
	Enable   ruleStepCmd     `cmd:"" help:"Put an approved version in force."`
	Retire   ruleStepCmd     `cmd:"" help:"Take a version out of force."`
	Rollback ruleRollbackCmd `cmd:"" help:"Put the version that was in force before back in force."`
	Replay   ruleReplayCmd   `cmd:"" help:"Play the rules of a file over kept telemetry and say what would have been different."`
}

type ruleTestCmd struct {
	Files []string `arg:"" help:"Rule files with tests." type:"existingfile"`
}

// Run implements the command. It fails when a test does.
func (c *ruleTestCmd) Run() error {
	failed, ran := 0, 0
	for _, name := range c.Files {
		file, results, err := testFile(name)
		if err != nil {
			return err
		}
		for _, r := range file.Rules {
			fmt.Printf("%s: %s.\n", r.Key, condition.Text(rule.Sentence(r)))
		}
		for _, r := range results {
			ran++
			if len(r.Faults) == 0 {
				fmt.Printf("  pass  %s\n", r.Name)
				continue
			}
			failed++
			fmt.Printf("  FAIL  %s\n", r.Name)
			for _, f := range r.Faults {
				fmt.Printf("        %s\n", f)
			}
		}
	}
	fmt.Printf("%d tests, %d failed\n", ran, failed)
	if failed > 0 {
		return vigil.Errorf(vigil.Invalid, "rule.test", "%d of %d tests failed", failed, ran)
	}
	return nil
}

// testFile compiles a file beside the catalogue's rules and runs its tests.
func testFile(name string) (file catalog.RuleFile, results []rule.TestResult, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return file, nil, vigil.Errorf(vigil.Invalid, "rule.test", "%s cannot be read: %w", name, err)
	}
	if file, err = catalog.ParseRules(name, text); err != nil {
		return file, nil, err
	}
	rules, err := catalog.Rules()
	if err != nil {
		return file, nil, err
	}
	scores, err := catalog.Scores()
	if err != nil {
		return file, nil, err
	}
	own := map[string]bool{}
	for _, r := range file.Rules {
		own[r.Key] = true
	}
	set := rule.Set{Scores: scores, Place: file.Place}
	for _, r := range rules {
		if !own[r.Key] {
			set.Rules = append(set.Rules, r)
		}
	}
	set.Rules = append(set.Rules, file.Rules...)
	program, err := rule.Compile(set)
	if err != nil {
		return file, nil, err
	}
	results, err = rule.RunFile(program, file)
	return file, results, err
}

type ruleListCmd struct {
	remoteFlags `embed:""`
}

// Run implements the command.
func (c *ruleListCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var out struct{ Rules []rule.Entry }
	if err := r.call(ctx, "GET", "/api/rules", nil, &out); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, e := range out.Rules {
		fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\n", e.Key, e.State, e.Origin, e.Version, condition.Text(e.Sentence))
		for _, v := range e.Waiting {
			fmt.Fprintf(w, "\t%s\tversion %d\tby %s: %s\n", v.State, v.Number, v.AuthorName, v.Note)
		}
		if e.Shadow != nil {
			fmt.Fprintf(w, "\t\t\ton trial: %d alarms since %s\n", e.Shadow.Alarms, e.Shadow.First.Local().Format("2006-01-02 15:04"))
		}
	}
	return w.Flush()
}

type ruleShowCmd struct {
	remoteFlags `embed:""`
	Key         string `arg:"" help:"Key of the rule."`
}

// Run implements the command.
func (c *ruleShowCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var out struct {
		rule.Entry
		Text  string            `json:"text"`
		Steps []rule.Transition `json:"steps"`
	}
	if err := r.call(ctx, "GET", "/api/rules/"+url.PathEscape(c.Key), nil, &out); err != nil {
		return err
	}
	fmt.Printf("%s, %s of the %s, version %s\n%s.\n\n%s", out.Title, out.State, out.Origin, out.Version, condition.Text(out.Sentence), out.Text)
	for _, t := range out.Steps {
		fmt.Printf("%s  version %d %s by %s  %s\n", t.At.Local().Format("2006-01-02 15:04"), t.Number, t.To, t.Name, t.Note)
	}
	return nil
}

type ruleProposeCmd struct {
	remoteFlags `embed:""`
	File        string `arg:"" optional:"" help:"File with one rule and its tests." type:"existingfile"`
	Off         string `help:"Key of a rule of the catalogue to switch off." placeholder:"KEY"`
	Note        string `help:"Why." required:""`
}

// Run implements the command.
func (c *ruleProposeCmd) Run(ctx context.Context) error {
	in := map[string]any{"off": c.Off, "note": c.Note, "propose": true}
	if (c.File == "") == (c.Off == "") {
		return vigil.Errorf(vigil.Invalid, "rule.propose", "name a file, or a rule to switch off with --off")
	}
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return vigil.Errorf(vigil.Invalid, "rule.propose", "%s cannot be read: %w", c.File, err)
		}
		in["text"] = string(text)
	}
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var v rule.Version
	if err := r.call(ctx, "POST", "/api/rules", in, &v); err != nil {
		return err
	}
	fmt.Printf("version %d of %s is %s; a second person approves it: vigil rule approve %s %d\n", v.Number, v.Key, v.State, v.Key, v.Number)
	return nil
}

type ruleStepCmd struct {
	remoteFlags `embed:""`
	Key         string `arg:"" help:"Key of the rule."`
	Number      int    `arg:"" help:"Version."`
	Note        string `help:"A word to it."`
}

// Run implements the commands that take a version one step on; which one says the command line.
func (c *ruleStepCmd) Run(ctx context.Context, k *kong.Context) error {
	action := k.Selected().Name
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var v rule.Version
	if err := r.call(ctx, "POST", "/api/rules/"+url.PathEscape(c.Key)+"/"+action, map[string]any{"version": c.Number, "note": c.Note}, &v); err != nil {
		return err
	}
	fmt.Printf("version %d of %s is %s\n", v.Number, v.Key, v.State)
	return nil
}

type ruleRollbackCmd struct {
	remoteFlags `embed:""`
	Key         string `arg:"" help:"Key of the rule."`
	Reason      string `arg:"" help:"Why."`
}

// Run implements the command.
func (c *ruleRollbackCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var v rule.Version
	if err := r.call(ctx, "POST", "/api/rules/"+url.PathEscape(c.Key)+"/rollback", map[string]any{"note": c.Reason}, &v); err != nil {
		return err
	}
	if v.State == rule.Retired {
		fmt.Printf("version %d of %s is retired; the rule of the catalogue, where there is one, is in force\n", v.Number, v.Key)
		return nil
	}
	fmt.Printf("version %d of %s is in force again\n", v.Number, v.Key)
	return nil
}

type ruleReplayCmd struct {
	remoteFlags `embed:""`
	File        string `arg:"" help:"Rule file." type:"existingfile"`
	Days        int    `help:"How far back." default:"30"`
	Events      string `help:"Known events: a YAML list of {subject, at, what}." type:"existingfile" placeholder:"FILE"`
}

// Run implements the command: it starts the replay, shows how far it is, and says what came of it. Interrupted, the
// replay goes on in the server.
func (c *ruleReplayCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "rule.replay", "%s cannot be read: %w", c.File, err)
	}
	in := map[string]any{"text": string(text), "days": c.Days}
	if c.Events != "" {
		events, err := readEvents(c.Events)
		if err != nil {
			return err
		}
		in["events"] = events
	}
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var job rule.Replay
	if err := r.call(ctx, "POST", "/api/rules/replays", in, &job); err != nil {
		return err
	}
	for job.State == rule.ReplayQueued || job.State == rule.ReplayRunning {
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			fmt.Fprintf(os.Stderr, "\nreplay %s goes on in the server\n", job.ID)
			return err
		}
		if err := r.call(ctx, "GET", "/api/rules/replays/"+job.ID, nil, &job); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "\r%s  %.0f of %.0f patient hours, %.0f s left   ", job.State, job.HoursDone, job.HoursAll, job.ETA)
	}
	fmt.Fprintln(os.Stderr)
	if job.State != rule.ReplayDone {
		return vigil.Errorf(vigil.Conflict, "rule.replay", "the replay is %s: %s", job.State, job.Error)
	}
	printOutcome(&job)
	return nil
}

func readEvents(name string) ([]rule.Known, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "rule.replay", "%s cannot be read: %w", name, err)
	}
	var list []struct {
		Subject vigil.Subject `yaml:"subject"`
		At      time.Time     `yaml:"at"`
		What    string        `yaml:"what"`
	}
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "rule.replay", "%s: %s", name, yaml.FormatError(err, false, true))
	}
	out := make([]rule.Known, len(list))
	for i, e := range list {
		out[i] = rule.Known(e)
	}
	return out, nil
}

func printOutcome(job *rule.Replay) {
	o := job.Outcome
	fmt.Printf("%s over %s to %s: %d patients, %.0f hours, %d values, in %.1f s\n\n", strings.Join(job.Keys, ", "),
		job.From.Local().Format(time.DateOnly), job.To.Local().Format(time.DateOnly), o.Subjects, o.Hours, o.Samples, o.Took)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\ttoday\twith the change")
	row := func(name, format string, a, b any) { fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\n", name, a, b) }
	row("alarms", "%d", o.Today.Alarms, o.After.Alarms)
	row("per bed and day", "%.2f", o.Today.PerBedDay, o.After.PerBedDay)
	row("at night", "%.0f %%", 100*o.Today.Night, 100*o.After.Night)
	row("median duration", "%.0f s", o.Today.MedianS, o.After.MedianS)
	row("90th centile", "%.0f s", o.Today.P90S, o.After.P90S)
	if o.Known.Events > 0 {
		row(fmt.Sprintf("caught of %d events", o.Known.Events), "%d", o.Known.Today, o.Known.Caught)
	}
	w.Flush() //nolint:errcheck // the standard output
	fmt.Printf("\n%d alarms new, %d gone, %d the same\n", o.Change.New, o.Change.Gone, o.Change.Same)
	for _, t := range o.After.Top[:min(5, len(o.After.Top))] {
		fmt.Printf("  %s  %d alarms\n", t.Subject, t.Alarms)
	}
	for _, e := range o.Change.Examples[:min(10, len(o.Change.Examples))] {
		fmt.Printf("  %s  %s  %s  from %s, worst %g\n", e.What, e.Rule, e.Subject, e.Start.Local().Format("2006-01-02 15:04:05"), e.Peak)
	}
}
