package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// breach is one way to break a promise.
type breach struct {
	check string
	how   string
	see   func(*testing.T) *Failure
	says  []string // what the message has to name
}

// breaches are all of them: nodes and messages that say what no sound node would (figureBreaches, promiseBreaches,
// tellingBreaches), disks that lose what they must not (diskBreaches), services with a fault (serviceBreaches,
// sessionBreaches), and what shows at the end (endBreaches).
func breaches() []breach {
	return slices.Concat(
		figureBreaches(), promiseBreaches(), tellingBreaches(), diskBreaches(), serviceBreaches(), sessionBreaches(), endBreaches(),
	)
}

// TestChecks_SeenToFail: each way to break a promise is noticed, under the promise's name, and its message says who, in
// which term, at which index.
func TestChecks_SeenToFail(t *testing.T) {
	for _, b := range breaches() {
		t.Run(b.check+"/"+b.how, func(t *testing.T) {
			f := b.see(t)
			if f == nil {
				t.Fatal("nothing is noticed")
			}
			t.Logf("%v: %s", f.At, f.Message)
			if f.Check != b.check {
				t.Errorf("noticed as %s", f.Check)
			}
			for _, part := range b.says {
				if !strings.Contains(f.Message, part) {
					t.Errorf("%q is missing", part)
				}
			}
		})
	}
}

// TestChecks_All: there is no check that nobody has seen fail, and none that is not in the list.
func TestChecks_All(t *testing.T) {
	var listed, seen []string
	for _, c := range Checks {
		if slices.Contains(listed, c.Name) {
			t.Errorf("%s is listed twice", c.Name)
		}
		if c.Says == "" || c.When == "" {
			t.Errorf("%s says nothing", c.Name)
		}
		listed = append(listed, c.Name)
	}
	for _, b := range breaches() {
		seen = append(seen, b.check)
		if !slices.Contains(listed, b.check) {
			t.Errorf("%s is not among the Checks", b.check)
		}
	}
	for _, name := range listed {
		if !slices.Contains(seen, name) {
			t.Errorf("%s has no row: nobody has seen it fail", name)
		}
	}
}

// TestPanicCheck: a panic or an error of a node stands for the check whose name it begins with.
func TestPanicCheck(t *testing.T) {
	for text, want := range map[string]string{
		"StateMachineSafety: applied 3 after 4": StateMachineSafety,
		"LogMatching: 1.3 follows 2.2":          LogMatching,
		"LogMatching":                           NoPanic,
		"progress of n2: match 4, next 4":       NoPanic,
		"index out of range":                    NoPanic,
		"":                                      NoPanic,
	} {
		if got := panicCheck(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestChecks_LateVotes: votes of an earlier term that arrive late make a leader of what a later term has left behind; that is
// no breach (§5.4.3 speaks of leaders of later terms).
func TestChecks_LateVotes(t *testing.T) {
	r := stage(t, quiet(), 4*time.Second)
	last := protocol.Index(len(r.oracle.committed)) + 1
	r.oracle.committed = append(r.oracle.committed, protocol.Entry{Index: last, Term: 12})
	r.oracle.commitTerms = append(r.oracle.commitTerms, 12)
	r.oracle.takesOffice(r.servers[1], 11)
	if r.failure != nil {
		t.Errorf("%+v", r.failure)
	}
	r.oracle.takesOffice(r.servers[1], 13)
	if r.failure == nil || r.failure.Check != LeaderCompleteness {
		t.Errorf("%+v", r.failure)
	}
}
