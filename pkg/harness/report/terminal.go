package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/scenario"
)

const (
	redrawInterval = 200 * time.Millisecond
	defaultWidth   = 80
)

// Style says how to write on an output.
type Style struct {
	Live  bool // lines may be redrawn
	Color bool
	Width int // columns; 0 = unlimited
}

// StyleOf finds out what an output can show.
func StyleOf(out *os.File, getenv func(string) string) Style {
	if !term.IsTerminal(int(out.Fd())) || getenv("TERM") == "dumb" {
		return Style{}
	}
	width, _, err := term.GetSize(int(out.Fd()))
	if err != nil || width <= 0 {
		width = defaultWidth
	}
	return Style{Live: true, Color: getenv("NO_COLOR") == "", Width: width}
}

// Terminal tells a run to a person. Its methods may be called from any goroutine.
type Terminal struct {
	style Style

	mu      sync.Mutex // guards all below
	out     io.Writer
	running []line    // scenarios under way, in order of their start
	drawn   int       // lines on the screen that the next drawing replaces
	last    time.Time // of the last drawing
	err     error     // the first of the writer
}

type line struct {
	name     string
	since    time.Time
	progress scenario.Progress
}

// NewTerminal writes to out.
func NewTerminal(out io.Writer, style Style) *Terminal { return &Terminal{out: out, style: style} }

// Started notes that a scenario has begun.
func (t *Terminal) Started(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = append(t.running, line{name: name, since: time.Now()})
	if !t.style.Live {
		t.print(fmt.Sprintf("run   %s\n", name))
		return
	}
	t.draw(true)
}

// Progress shows where a scenario stands, on a live terminal alone.
func (t *Terminal) Progress(name string, p scenario.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.running {
		if t.running[i].name == name {
			t.running[i].progress = p
		}
	}
	if t.style.Live {
		t.draw(false)
	}
}

// Ended writes a scenario's line, and what broke if it is no pass.
func (t *Terminal) Ended(r scenario.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.running {
		if t.running[i].name == r.Scenario {
			t.running = append(t.running[:i], t.running[i+1:]...)
			break
		}
	}
	t.erase()
	t.print(t.verdictLine(r) + "\n")
	if r.Verdict != check.Pass {
		for _, d := range details(r) {
			t.print("      " + strings.TrimRight(visible(d), " ") + "\n")
		}
	}
	if t.style.Live {
		t.draw(true)
	}
}

// verdictLine is one row of the table.
func (t *Terminal) verdictLine(r scenario.Result) string {
	word := fmt.Sprintf("%-7s", r.Verdict)
	if t.style.Color {
		color := map[check.Verdict]string{check.Pass: "32", check.Fail: "31"}[r.Verdict]
		if color == "" {
			color = "33"
		}
		word = "\x1b[" + color + "m" + word + "\x1b[0m"
	}
	return fmt.Sprintf("%s %-26s %6.1fs  seed %-20d %s", word, r.Name(), r.Seconds, r.Seed, oneLine(r.Summary))
}

// oneLine makes a text safe to print: one line, and no control character that a process may have put in it.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// visible replaces what is no printable character.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// Summary ends the report: all scenarios in a table, and the count of each verdict.
func (t *Terminal) Summary(results []scenario.Result, folder string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	counts := map[check.Verdict]int{}
	t.print("\n")
	for _, r := range results {
		counts[r.Verdict]++
		t.print(t.verdictLine(r) + "\n")
	}
	t.print(fmt.Sprintf("\n%d passed, %d failed, %d unknown in %.1fs; %s\n",
		counts[check.Pass], counts[check.Fail], counts[check.Unknown], took.Seconds(), folder))
}

// Err is the first error of the output.
func (t *Terminal) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// draw repaints the running scenarios, at most five times a second unless forced.
func (t *Terminal) draw(force bool) {
	if now := time.Now(); force || now.Sub(t.last) >= redrawInterval {
		t.last = now
	} else {
		return
	}
	t.erase()
	for _, l := range t.running {
		text := fmt.Sprintf("…       %-26s %6.1fs  %6d ops  %-14s %s", l.name, time.Since(l.since).Seconds(), l.progress.OK, l.progress.Phase, l.progress.Fault)
		if runes := []rune(text); t.style.Width > 0 && len(runes) >= t.style.Width {
			text = string(runes[:t.style.Width-1]) // a wrapped line would be two to erase
		}
		t.print(text + "\n")
		t.drawn++
	}
}

// erase takes the drawn lines off the screen.
func (t *Terminal) erase() {
	if t.drawn > 0 {
		t.print(fmt.Sprintf("\x1b[%dA\x1b[J", t.drawn))
		t.drawn = 0
	}
}

func (t *Terminal) print(s string) {
	if _, err := io.WriteString(t.out, s); err != nil && t.err == nil {
		t.err = err
	}
}
