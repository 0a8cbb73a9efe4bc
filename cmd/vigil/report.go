package main

import (
	"context"
	"net/url"
	"os"

	"github.com/vigil-health/vigil"
)

// reportCmd writes reports of a running Vigil.
type reportCmd struct {
	Alarms reportAlarmsCmd `cmd:"" help:"The alarm report: load, rules, answers, worst patients, changes that would have helped."`
}

// reportAlarmsCmd fetches the alarm report as PDF, or one row an alarm as CSV.
type reportAlarmsCmd struct {
	remoteFlags `embed:""`
	From        string `help:"First day, 2026-03-01, or a time; without it seven days before --to." placeholder:"DAY"`
	To          string `help:"Last day, or a time; without it now." placeholder:"DAY"`
	Unit        string `help:"Id of the care unit; without it all units." placeholder:"UNIT"`
	NoNames     bool   `help:"Leave out who patients and staff are."`
	PDF         string `name:"pdf" help:"Write the report as PDF." placeholder:"FILE" xor:"form"`
	CSV         string `name:"csv" help:"Write one row an alarm." placeholder:"FILE" xor:"form"`
}

// Run implements the command. A file appears under its name only when it is whole; - is the standard output.
func (c *reportAlarmsCmd) Run(ctx context.Context) error {
	form, file := "pdf", c.PDF
	if c.CSV != "" {
		form, file = "csv", c.CSV
	}
	if file == "" {
		return vigil.Errorf(vigil.Invalid, "report.alarms", "say where to write it: --pdf FILE or --csv FILE")
	}
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	q := url.Values{"unit": {c.Unit}, "from": {c.From}, "to": {c.To}}
	if c.NoNames {
		q.Set("names", "no")
	}
	get := exportCmd{remoteFlags: c.remoteFlags, Token: c.APIToken}
	path := "/api/reports/alarms." + form + "?" + q.Encode()
	if file == "-" {
		return get.fetch(ctx, r, path, os.Stdout)
	}
	return get.write(ctx, r, path, file)
}
