// Package paper draws reports as PDF, A4 upright, for boards, audits and the wall of the staff room.
//
// It draws what engine/report found and adds no figure of its own. Fonts are in the binary: nothing is read from the
// machine. Start at Alarms.
package paper

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/report"
)

// Options is what a page says beside the figures.
type Options struct {
	Hospital string
	By       string // who printed it
	At       time.Time
	Zone     *time.Location
	Hidden   bool                         // patients are numbers: say so
	Name     func(s vigil.Subject) string // of a patient; nil shows the subject
	Unit     func(id string) string       // name of a care unit; nil shows the id
}

// Measures of the page in millimetres.
const (
	left, top, width, bottom = 16.0, 18.0, 178.0, 18.0
	line                     = 5.2
)

// sheet is a document in the making. Errors stay in it until the end.
type sheet struct {
	*fpdf.Fpdf
	opt Options
	r   *report.Report
}

// Alarms writes the alarm report as PDF 1.3. It returns what w returns.
//
//	title and figures ─► load by day ─► hours ─► rules ─► answers ─► patients ─► changes ─► floods
func Alarms(w io.Writer, r *report.Report, opt Options) error {
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	s := &sheet{fpdf.New("P", "mm", "A4", ""), opt, r}
	s.SetCreationDate(opt.At)
	s.SetModificationDate(opt.At)
	s.SetTitle("Alarm report", true)
	s.SetCreator("Vigil", true)
	s.SetLang("en")
	s.AddUTF8FontFromBytes("go", "", goregular.TTF)
	s.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	s.SetMargins(left, top, left)
	s.SetAutoPageBreak(true, bottom)
	s.AliasNbPages("")
	s.SetFooterFunc(s.footer)
	s.AddPage()
	for _, part := range []func(){s.head, s.figures, s.load, s.hours, s.rules, s.answers, s.patients, s.changes, s.floods, s.notes} {
		part()
	}
	return s.Output(w)
}

func (s *sheet) footer() {
	s.SetY(-12)
	s.ink(110)
	s.SetFont("go", "", 7.5)
	text := s.opt.Hospital + " · printed " + s.opt.At.In(s.opt.Zone).Format("2006-01-02 15:04 MST")
	if s.opt.By != "" {
		text += " by " + s.opt.By
	}
	s.CellFormat(width-30, 5, plain(text), "", 0, "L", false, 0, "")
	s.CellFormat(30, 5, fmt.Sprintf("Page %d of {nb}", s.PageNo()), "", 0, "R", false, 0, "")
	s.ink(20)
}

func (s *sheet) head() {
	s.SetFont("go", "B", 19)
	s.CellFormat(width, 9, "Alarm report", "", 1, "L", false, 0, "")
	s.SetFont("go", "", 10)
	where := "all units"
	if s.r.Unit != "" {
		where = s.unit(s.r.Unit)
	}
	last := s.r.To.Add(-time.Nanosecond).In(s.opt.Zone).Format(time.DateOnly)
	s.say(fmt.Sprintf("%s, %s, %s to %s (%s)", s.opt.Hospital, where, s.r.From.In(s.opt.Zone).Format(time.DateOnly), last, s.r.Zone))
	if s.opt.Hidden {
		s.say("Patients are numbered in this report; their names are left out.")
	}
	s.Ln(2)
}

// figures are the six that matter, in boxes.
func (s *sheet) figures() {
	r := s.r
	judged := "nobody has judged any"
	if r.Judged.Judged > 0 {
		judged = fmt.Sprintf("%s to %s, of %d judged", percent(r.Judged.Low), percent(r.Judged.High), r.Judged.Judged)
	}
	boxes := [][3]string{
		{"Alarms", fmt.Sprint(r.Alarms), fmt.Sprintf("of %d patients", r.Patients)},
		{"A bed and day", fmt.Sprintf("%.1f", r.Load.Mean), fmt.Sprintf("median %.0f, p90 %.0f, worst %d", r.Load.Median, r.Load.P90, r.Load.Worst)},
		{"At night", percent(r.Night), "from 22 to 6"},
		{"Not real", falseShare(r.Judged), judged},
		{"Nuisance", percent(r.Nuisance.Share), fmt.Sprintf("%d under 5 s, %d repeated", r.Nuisance.Short, r.Nuisance.Repeated)},
		{"Worst tenth", percent(r.WorstTenth), "of all alarms"},
	}
	const w, h = width / 3, 18.0
	y := s.GetY()
	for i, b := range boxes {
		x, y := left+float64(i%3)*w, y+float64(i/3)*(h+2)
		s.SetFillColor(243, 245, 248)
		s.Rect(x, y, w-2, h, "F")
		s.at(x+3, y+2, 8, "", b[0])
		s.at(x+3, y+6, 15, "B", b[1])
		s.at(x+3, y+12.5, 7.5, "", b[2])
	}
	s.SetY(y + 2*(h+2))
}

func (s *sheet) notes() {
	s.Ln(3)
	s.SetFont("go", "", 7.5)
	s.ink(110)
	s.MultiCell(width, 3.8, plain("Alarms a bed and day count every day on which a patient was watched. Not real: artefacts among the alarms that staff judged, with the 95 % interval of Wilson. "+
		"Within target: of the alarms that were answered, or still stood, at the target. Nuisance: ended within 5 s, or the same again within 15 min. "+
		"Flood: more than 10 alarms of a unit in 10 min. Proposed changes come from a replay of kept telemetry; people decide."), "", "L", false)
	s.ink(20)
}

func falseShare(j report.Judged) string {
	if j.Judged == 0 {
		return "–"
	}
	return percent(j.False)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// seconds writes a time as people say it.
func seconds(v float64) string {
	d := time.Duration(v * float64(time.Second)).Round(time.Second)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// plain leaves out what the font has no letter for.
func plain(s string) string {
	return strings.NewReplacer("₂", "2", "\n", " ", "\r", " ", "\t", " ").Replace(s)
}

func (s *sheet) name(id vigil.Subject) string {
	if s.opt.Name == nil || s.opt.Hidden || !id.IsPatient() {
		return string(id)
	}
	return s.opt.Name(id)
}

func (s *sheet) unit(id string) string {
	if s.opt.Unit == nil || id == "" {
		return id
	}
	return s.opt.Unit(id)
}

func (s *sheet) ink(v int) { s.SetTextColor(v, v, v) }

func (s *sheet) at(x, y, size float64, style, text string) {
	s.SetFont("go", style, size)
	s.SetXY(x, y)
	s.CellFormat(0, size*.4, plain(text), "", 0, "L", false, 0, "")
}

func (s *sheet) say(text string) { s.MultiCell(width, line, plain(text), "", "L", false) }

// title begins a part, on the next page when less than need millimetres are left.
func (s *sheet) title(text string, need float64) {
	_, height := s.GetPageSize()
	if s.GetY()+need+9 > height-bottom {
		s.AddPage()
	}
	s.Ln(3)
	s.SetFont("go", "B", 11.5)
	s.CellFormat(width, 7, plain(text), "", 1, "L", false, 0, "")
	s.SetFont("go", "", 8.5)
}
