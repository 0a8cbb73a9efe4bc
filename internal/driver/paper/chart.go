package paper

import (
	"fmt"
	"math"
	"time"
)

// load is a bar a day, the priorities on top of each other.
func (s *sheet) load() {
	days := s.r.Days
	const h = 34.0
	s.title("Alarms a day", h+8)
	if len(days) == 0 {
		s.say("No alarms in this time.")
		return
	}
	most := 0
	for _, d := range days {
		most = max(most, d.Alarms)
	}
	ceiling := nice(most)
	x, y := left+10, s.GetY()+1
	w := (width - 10) / float64(len(days))
	s.grid(x, y, h, ceiling)
	every := (len(days) + 9) / 10
	for i, d := range days {
		up := y + h
		for _, part := range []struct {
			n       int
			r, g, b int
		}{{d.Low, 108, 168, 214}, {d.Medium, 232, 180, 54}, {d.High, 208, 60, 60}} {
			tall := h * float64(part.n) / float64(ceiling)
			up -= tall
			s.SetFillColor(part.r, part.g, part.b)
			s.Rect(x+float64(i)*w+w*.12, up, w*.76, tall, "F")
		}
		if i%every == 0 {
			s.at(x+float64(i)*w, y+h+1.5, 7, "", d.Day[5:])
		}
	}
	s.SetY(y + h + 5)
	s.SetFont("go", "", 7.5)
	s.CellFormat(width, 4, "Red high, yellow medium, blue low priority.", "", 1, "R", false, 0, "")
}

func (s *sheet) grid(x, y, h float64, ceiling int) {
	s.SetDrawColor(215, 219, 225)
	s.SetLineWidth(.15)
	for i := range 3 {
		at := y + h*float64(i)/2
		s.Line(x, at, left+width, at)
		s.SetFont("go", "", 7)
		s.SetXY(left-2, at-2)
		s.CellFormat(11, 4, fmt.Sprint(ceiling-ceiling*i/2), "", 0, "R", false, 0, "")
	}
}

// nice returns an even number at or over n at which an axis may end.
func nice(n int) int {
	if n < 2 {
		return 2
	}
	step := math.Pow(10, math.Floor(math.Log10(float64(n))))
	for _, k := range []float64{1, 2, 4, 6, 8, 10} {
		if v := int(math.Ceil(k * step)); v >= n {
			return v + v%2
		}
	}
	return n + n%2
}

// hours is the heat map: a row a weekday, a column an hour.
func (s *sheet) hours() {
	const h = 4.4
	s.title("By hour of the day", 8*h+4)
	most := 0
	for _, row := range s.r.Heat {
		for _, n := range row {
			most = max(most, n)
		}
	}
	w := (width - 14) / 24
	y := s.GetY()
	for d, row := range s.r.Heat {
		s.ink(60)
		s.at(left, y+float64(d)*h+1, 7.5, "", time.Weekday((d + 1) % 7).String()[:3])
		for hour, n := range row {
			shade := 0.0
			if most > 0 {
				shade = math.Sqrt(float64(n) / float64(most))
			}
			s.SetFillColor(int(245-shade*215), int(247-shade*150), int(250-shade*80))
			s.Rect(left+14+float64(hour)*w, y+float64(d)*h, w-.4, h-.4, "F")
			if n == 0 {
				continue
			}
			s.ink(map[bool]int{true: 255, false: 60}[shade > .6])
			s.SetFont("go", "", 5.5)
			s.SetXY(left+14+float64(hour)*w, y+float64(d)*h)
			s.CellFormat(w-.4, h-.4, fmt.Sprint(n), "", 0, "CM", false, 0, "")
		}
	}
	s.ink(60)
	for hour := 0; hour < 24; hour += 3 {
		s.at(left+14+float64(hour)*w, y+7*h+1, 7, "", fmt.Sprintf("%02d", hour))
	}
	s.ink(20)
	s.SetY(y + 7*h + 5)
}
