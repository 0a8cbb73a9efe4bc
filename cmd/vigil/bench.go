package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"os"
	"time"
)

// benchCmd measures a running house. docs/reference/benchmarks.md says how to read the figures.
type benchCmd struct {
	Ingest benchIngestCmd `cmd:"" help:"Values per second over MQTT QoS 1 that are on disk before their PUBACK, and queryable."`
	Waves  benchWavesCmd  `cmd:"" help:"Waveforms streamed over MQTT: CPU of the server, and whether every sample is there."`
	Alarm  benchAlarmCmd  `cmd:"" help:"Time from a value over its limit to the alarm on a screen, under load."`
	Idle   benchIdleCmd   `cmd:"" help:"Memory of MQTT connections that say nothing."`
	Fair   benchFairCmd   `cmd:"" help:"Good devices beside one that sends without measure: their share and their latency."`
	Replay benchReplayCmd `cmd:"" help:"Changed rules played over kept telemetry: 30 days of 100 patients, unless said otherwise."`
	Start  benchStartCmd  `cmd:"" help:"Start-up time, idle memory, size of the binary and of the first load of the user interface."`
}

// benchFlags are what the benches share.
type benchFlags struct {
	JSON    bool   `help:"Print the figures as JSON."`
	Dir     string `help:"Where the temporary data directory is made." placeholder:"DIR"`
	Profile string `help:"Write a CPU profile of the server." placeholder:"FILE"`
}

// latencies is a histogram of durations with 3 % resolution from a microsecond up.
type latencies struct {
	counts [32 * 32]uint32
	n      uint64
	most   time.Duration
}

func (l *latencies) add(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	l.counts[slot(us)]++
	l.n++
	l.most = max(l.most, d)
}

// slot numbers the buckets: 32 to every doubling.
func slot(us uint64) int {
	if us < 32 {
		return int(us)
	}
	e := bits.Len64(us) - 6
	return min(32*(e+1)+int(us>>e)-32, 32*32-1)
}

func slotTop(i int) time.Duration {
	if i < 32 {
		return time.Duration(i) * time.Microsecond
	}
	e := i/32 - 1
	return time.Duration((uint64(i%32)+33)<<e) * time.Microsecond
}

func (l *latencies) merge(o *latencies) {
	for i, c := range o.counts {
		l.counts[i] += c
	}
	l.n += o.n
	l.most = max(l.most, o.most)
}

// spread is a distribution in milliseconds.
type spread struct {
	N   uint64  `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (l *latencies) spread() spread {
	return spread{N: l.n, P50: ms(l.quantile(0.5)), P99: ms(l.quantile(0.99)), Max: ms(l.most)}
}

func (l *latencies) quantile(q float64) time.Duration {
	want, have := uint64(math.Ceil(q*float64(l.n))), uint64(0)
	for i, c := range l.counts {
		if have += uint64(c); c > 0 && have >= want {
			return min(slotTop(i), l.most)
		}
	}
	return l.most
}

func ms(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }

func (s spread) String() string {
	return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms, most %.2f ms (%d)", s.P50, s.P99, s.Max, s.N)
}

// show prints the figures as JSON or for people.
func (f benchFlags) show(figures any, human func()) error {
	if !f.JSON {
		human()
		return nil
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(figures)
}

// progress draws one line on a terminal over and over, and nothing elsewhere.
type progress struct{ on bool }

func newProgress() progress {
	info, err := os.Stderr.Stat()
	return progress{err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p progress) say(format string, args ...any) {
	if p.on {
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}

func (p progress) end() {
	if p.on {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
