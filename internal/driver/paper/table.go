package paper

import (
	"fmt"
	"strings"
)

// column is one of a table; negative widths align right.
type column struct {
	title string
	width float64
}

// table draws rows, its head again on every page.
func (s *sheet) table(columns []column, rows [][]string) {
	head := func() {
		s.SetFont("go", "B", 7.5)
		s.SetFillColor(236, 239, 244)
		s.row(columns, func(i int) string { return columns[i].title }, true)
		s.SetFont("go", "", 8)
	}
	head()
	_, height := s.GetPageSize()
	for _, r := range rows {
		if s.GetY()+line > height-bottom {
			s.AddPage()
			head()
		}
		s.row(columns, func(i int) string { return r[i] }, false)
	}
}

func (s *sheet) row(columns []column, text func(i int) string, fill bool) {
	s.SetDrawColor(222, 226, 232)
	for i, c := range columns {
		w, align := c.width, "LM"
		if w < 0 {
			w, align = -w, "RM"
		}
		s.CellFormat(w, line, s.fit(plain(text(i)), w-2), "B", 0, align, fill, 0, "")
	}
	s.Ln(line)
}

// fit shortens a text to a width.
func (s *sheet) fit(text string, w float64) string {
	if s.GetStringWidth(text) <= w {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && s.GetStringWidth(string(runes)+"…") > w {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// mostRules is how many rules are listed on paper.
const mostRules = 25

func (s *sheet) rules() {
	s.title("By rule", 4*line)
	var rows [][]string
	for _, r := range s.r.Rules[:min(len(s.r.Rules), mostRules)] {
		wrong := "–"
		if r.Judged.Judged > 0 {
			wrong = fmt.Sprintf("%s (%s–%s, n %d)", percent(r.False), strings.TrimSuffix(percent(r.Low), " %"), percent(r.High), r.Judged.Judged)
		}
		rows = append(rows, []string{r.Title, fmt.Sprint(r.Alarms), percent(r.Share), fmt.Sprint(r.Patients), percent(r.Night), seconds(r.MedianS), fmt.Sprint(r.Short), fmt.Sprint(r.Repeated), wrong})
	}
	s.table([]column{{"Rule", 45}, {"Alarms", -15}, {"Share", -13}, {"Patients", -15}, {"Night", -13}, {"Median", -15}, {"< 5 s", -12}, {"Repeated", -16}, {"Not real", -34}}, rows)
}

func (s *sheet) answers() {
	s.title("Answers", 4*line)
	var rows [][]string
	for _, r := range s.r.Response {
		target, within := "–", "–"
		if r.TargetS > 0 {
			target = seconds(r.TargetS)
		}
		if r.Due > 0 {
			within = fmt.Sprintf("%s of %d", percent(r.Within), r.Due)
		}
		if r.N == 0 && r.Due == 0 {
			continue
		}
		rows = append(rows, []string{r.Priority.String(), r.Step, fmt.Sprint(r.N), seconds(r.MedianS), seconds(r.P90S), target, within})
	}
	s.table([]column{{"Priority", 26}, {"Raised until", 34}, {"Alarms", -20}, {"Median", -24}, {"90 % within", -26}, {"Target", -22}, {"Within target", -26}}, rows)
	s.Ln(1)
	s.say(fmt.Sprintf("%d alarms (%s) went on to a further step of their chain.", s.r.Escalated.Alarms, percent(s.r.Escalated.Share)))
}

func (s *sheet) patients() {
	if len(s.r.Worst) == 0 {
		return
	}
	s.title("Patients with most alarms", 4*line)
	var rows [][]string
	for _, p := range s.r.Worst[:min(len(s.r.Worst), 10)] {
		var by []string
		for _, g := range p.Rules {
			by = append(by, fmt.Sprintf("%s %d", g.Key, g.Alarms))
		}
		rows = append(rows, []string{s.name(p.Subject), fmt.Sprint(p.Alarms), percent(p.Share), fmt.Sprintf("%.1f", p.PerDay), falseShare(p.Judged), strings.Join(by, ", ")})
	}
	s.table([]column{{"Patient", 46}, {"Alarms", -16}, {"Share", -15}, {"A day", -15}, {"Not real", -17}, {"  Most by", 69}}, rows)
}

func (s *sheet) changes() {
	if len(s.r.Changes) == 0 {
		return
	}
	s.title("Changes that would have helped", 4*line)
	for _, c := range s.r.Changes {
		who := fmt.Sprintf("%d patients", c.Patients)
		if c.Subject != "" {
			who = s.name(c.Subject)
		}
		s.say(who + ": " + c.Text + ".")
	}
}

func (s *sheet) floods() {
	f := s.r.Floods
	s.title("Floods", 3*line)
	if f.Count == 0 {
		s.say("None: never more than 10 alarms of a unit in 10 minutes.")
		return
	}
	s.say(fmt.Sprintf("%d floods with %d alarms (%s of all).", f.Count, f.Alarms, percent(f.Share)))
	var rows [][]string
	for _, x := range f.List {
		rows = append(rows, []string{s.unit(x.Unit), x.From.In(s.opt.Zone).Format("2006-01-02 15:04"), seconds(x.To.Sub(x.From).Seconds()), fmt.Sprint(x.Alarms)})
	}
	s.table([]column{{"Unit", 70}, {"From", 50}, {"Lasted", -28}, {"Alarms", -30}}, rows)
}
