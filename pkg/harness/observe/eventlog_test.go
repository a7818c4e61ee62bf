package observe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func line(inc string, seq int, rest string) string {
	return fmt.Sprintf(`{"seq":%d,"inc":%q,"mono":%d,"node":"n1","term":1,%s}`, seq, inc, seq, rest) + "\n"
}

const (
	startLine  = `"event":"start","voted_for":"n2","last":3,"last_term":1`
	roleLine   = `"event":"role","role":"leader","reason":"won","from":"candidate"`
	appendLine = `"event":"append","first":4,"last":5,"entries":[[1,77],[2,4294967295]],"durable":true`
	cutLine    = `"event":"truncate","from":4`
)

func TestDecodeEvents_Fields(t *testing.T) {
	log := line("a", 1, startLine) + line("a", 2, roleLine) + line("a", 3, appendLine) + line("a", 4, cutLine)
	got, err := DecodeEvents(strings.NewReader(log))
	want := []Event{
		{Seq: 1, Inc: "a", Mono: 1, Node: "n1", Term: 1, Event: EventStart, VotedFor: "n2", Last: 3, LastTerm: 1},
		{Seq: 2, Inc: "a", Mono: 2, Node: "n1", Term: 1, Event: EventRole, Role: RoleLeader, Reason: "won", OldRole: "candidate"},
		{
			Seq: 3, Inc: "a", Mono: 3, Node: "n1", Term: 1, Event: EventAppend,
			First: 4, Last: 5, Entries: []Mark{{1, 77}, {2, 4294967295}}, Durable: true,
		},
		{Seq: 4, Inc: "a", Mono: 4, Node: "n1", Term: 1, Event: EventTruncate, From: 4},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestDecodeEvents_TornLines(t *testing.T) {
	whole := line("a", 1, startLine) + line("a", 2, roleLine)
	torn := line("a", 3, appendLine)
	torn = torn[:len(torn)/2]
	next := line("b", 1, startLine) + line("b", 2, cutLine)
	for name, tc := range map[string]struct {
		log  string
		want int
		err  error
	}{
		"whole":                    {whole + next, 4, nil},
		"torn at the end":          {whole + torn, 2, nil},
		"torn, successor behind":   {whole + torn + next, 4, nil},
		"torn, successor below":    {whole + torn + "\n" + next, 4, nil},
		"torn twice":               {whole + torn + next + torn, 4, nil},
		"torn, same goes on":       {whole + torn + "\n" + line("a", 3, cutLine), 0, ErrTornLine},
		"damaged twice":            {whole + torn + "\n" + torn + "\n" + next, 0, ErrTornLine},
		"a line is missing":        {line("a", 1, startLine) + line("a", 3, roleLine), 0, ErrGap},
		"the beginning is missing": {line("a", 2, roleLine), 0, ErrGap},
		"twice the same":           {whole + line("a", 2, roleLine), 0, ErrGap},
		"an incarnation comes back": {
			line("a", 1, startLine) + line("b", 1, startLine) + line("a", 1, startLine), 0, ErrGap,
		},
		"nothing": {"", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := DecodeEvents(strings.NewReader(tc.log))
			if !errors.Is(err, tc.err) || len(events) != tc.want {
				t.Errorf("%d events, %v; want %d, %v", len(events), err, tc.want, tc.err)
			}
		})
	}
}

func TestReadEvents_NamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n1.events")
	if err := os.WriteFile(path, []byte(line("a", 2, roleLine)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadEvents(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("error: %v", err)
	}
	if _, err := ReadEvents(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a missing file: %v", err)
	}
}

func FuzzDecodeEvents(f *testing.F) {
	whole := line("a", 1, startLine) + line("a", 2, roleLine) + line("a", 3, appendLine)
	f.Add([]byte(whole + line("b", 1, startLine)))
	f.Add([]byte(whole[:len(whole)-9] + line("b", 1, startLine)))
	f.Fuzz(func(t *testing.T, log []byte) {
		events, err := DecodeEvents(bytes.NewReader(log))
		if err != nil {
			return
		}
		for i, e := range events {
			if e.Seq != 1 && (i == 0 || events[i-1].Inc != e.Inc || events[i-1].Seq+1 != e.Seq) {
				t.Errorf("event %d leaves a gap", i)
			}
			switch e.Event {
			case EventAppend, EventCommit, EventApply:
				if uint64(len(e.Entries)) != e.Last-e.First+1 {
					t.Errorf("event %d: %d entries from %d to %d", i, len(e.Entries), e.First, e.Last)
				}
			}
		}
	})
}
