package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// script reads steps as testdata/*.steps has them: a line "nodes n1 n2 n3", then per step its time in milliseconds, kind,
// node ("-": none), for messages the sender and when it left, then its text.
func script(t testing.TB, text string) ([]Step, []protocol.NodeID) {
	t.Helper()
	var steps []Step
	var nodes []protocol.NodeID
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if words[0] == "nodes" {
			for _, id := range words[1:] {
				nodes = append(nodes, protocol.NodeID(id))
			}
			continue
		}
		step := Step{Kind: StepKind(words[1])}
		_, err := fmt.Sscan(words[0], &step.At)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		step.At *= time.Millisecond
		rest := 3
		if words[2] != "-" {
			step.Node = protocol.NodeID(words[2])
		}
		if step.Kind == Delivered || step.Kind == Lost {
			step.From, rest = protocol.NodeID(words[3]), 5
			if _, err := fmt.Sscan(words[4], &step.Sent); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			step.Sent *= time.Millisecond
		}
		step.Text = strings.Join(words[rest:], " ")
		steps = append(steps, step)
	}
	return steps, nodes
}

// TestDiagram draws the stories of testdata/*.steps; run with UPDATE=1 to accept what it draws.
func TestDiagram(t *testing.T) {
	files, err := filepath.Glob("testdata/*.steps")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".steps"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := Diagram(script(t, string(text)))
			fits(t, got)
			golden := strings.TrimSuffix(file, ".steps") + ".diagram"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal([]byte(got), want) {
				t.Errorf("drawn:\n%s\nwanted:\n%s", got, want)
			}
		})
	}
}

func fits(t testing.TB, page string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	if len(lines) > pageLines {
		t.Errorf("%d lines, at most %d", len(lines), pageLines)
	}
	for _, line := range lines {
		if length(line) > pageWidth {
			t.Errorf("%d columns, at most %d: %s", length(line), pageWidth, line)
		}
	}
}

// FuzzDiagram: whatever the steps are, the page is kept to and the broken promise is on it.
func FuzzDiagram(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.steps")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, 3)
	}
	f.Add([]byte("a\x00b\nc"), 200)
	kinds := []StepKind{Delivered, Lost, Changed, Stored, Asked, Answered, Faulted, Phase, Broken}
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		nodes := make([]protocol.NodeID, 1+max(count, 0)%12)
		for i := range nodes {
			nodes[i] = protocol.NodeID(fmt.Sprintf("n%d", i+1))
		}
		var steps []Step
		for i, line := range strings.Split(string(data), "\n") {
			sum := i
			for _, b := range []byte(line) {
				sum = sum*31 + int(b)
			}
			step := Step{At: time.Duration(i*sum%7) * time.Millisecond, Kind: kinds[(sum&0xffff)%8], Text: line}
			step.Node = nodes[(sum>>3&0xffff)%len(nodes)]
			if step.Kind == Delivered || step.Kind == Lost {
				step.From, step.Sent = nodes[(sum>>5&0xffff)%len(nodes)], step.At/2
			}
			if step.Kind == Faulted || sum%11 == 0 {
				step.Node = ""
			}
			steps = append(steps, step)
		}
		steps = append(steps, Step{Kind: Broken, At: time.Hour, Text: "the end"})
		page := Diagram(steps, nodes)
		fits(t, page)
		if !strings.Contains(page, "BROKEN: the end") {
			t.Errorf("the broken promise is missing:\n%s", page)
		}
	})
}
