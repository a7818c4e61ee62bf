package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/scenario"
)

// results are one of each verdict, with text that no terminal and no XML should be shown as it is.
func results() []scenario.Result {
	started := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	second := int64(time.Second)
	return []scenario.Result{
		{Scenario: "steady", Verdict: check.Pass, Summary: "get 150; 1 elections", Seed: 7, Folder: "runs/x/steady", Started: started, Seconds: 4.25},
		{
			Scenario: "leader-kill", Verdict: check.Fail, Summary: "durability: <lost> & \x00\x1b[31mgone\uFFFE", Seed: 7, Folder: "runs/x/leader-kill", Seconds: 6, Start: 10 * second,
			Findings: []check.Finding{
				{Check: "durability", Verdict: check.Fail, Summary: "<lost> & gone", When: 12*second + second/2, Node: "n2", Evidence: strings.Split(strings.Repeat("e ", 10), " ")},
				{Check: "heartbeat-rate", Verdict: check.Pass, Summary: "fine"},
			},
			Faults: []check.Fault{
				{Name: "first", Kind: "kill", Target: "leader", From: 12 * second, To: 13 * second},
				{Name: "later", Kind: "kill", Target: "leader", From: 14 * second},
			},
		},
		{Scenario: "other", File: "./other.yaml", Verdict: check.Unknown, Summary: "load: too little", Seed: 7, Folder: "runs/x/other", Seconds: 1},
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

func TestWriteJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJUnit(&b, results()); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.golden", b.Bytes())
	if err := xml.Unmarshal(b.Bytes(), new(xmlSuites)); err != nil {
		t.Errorf("not well-formed: %v", err)
	}
}

func FuzzXMLText(f *testing.F) {
	f.Add("a\x00b\xff\uFFFE]]>")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := xml.Marshal(xmlDetail{Message: xmlText(s), Text: xmlText(s)})
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(text, new(xmlDetail)); err != nil {
			t.Errorf("%q becomes %q: %v", s, text, err)
		}
	})
}

func TestTerminal_Plain(t *testing.T) {
	var b bytes.Buffer
	show(NewTerminal(&b, Style{}))
	golden(t, "plain.golden", b.Bytes())
	if strings.Contains(b.String(), "\x1b[3") {
		t.Error("colour where there is no terminal")
	}
}

func TestTerminal_LiveErasesWhatItDrew(t *testing.T) {
	var b bytes.Buffer
	term := NewTerminal(&b, Style{Live: true, Color: true, Width: 40})
	term.Started("steady")
	term.Started("leader-kill")
	term.Progress("steady", scenario.Progress{Phase: "timeline", OK: 5}) // too soon to be drawn
	term.Ended(results()[0])
	text := b.String()
	if want := "\x1b[2A\x1b[J\x1b[32mpass   \x1b[0m steady"; !strings.Contains(text, want) {
		t.Errorf("two lines are not erased before the verdict:\n%q", text)
	}
	for line := range strings.Lines(text) {
		if plain := strings.TrimSuffix(line, "\n"); strings.HasPrefix(plain, "…") && len([]rune(plain)) >= 40 {
			t.Errorf("%q would wrap on 40 columns", plain)
		}
	}
}

func show(t *Terminal) {
	for _, r := range results() {
		t.Started(r.Scenario)
		t.Ended(r)
	}
	t.Summary(results(), "runs/x", 9*time.Second)
}

func TestStyleOf(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := StyleOf(file, func(string) string { return "" }); got != (Style{}) {
		t.Errorf("a file is styled %+v", got)
	}
}
