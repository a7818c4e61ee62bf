//go:build mutants

package sim

import (
	"encoding/json"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
)

// TestShrink_Mutants: what a planted bug breaks shrinks to a small plan that can be written, read and run again, and that
// tells its story on a page.
func TestShrink_Mutants(t *testing.T) {
	for _, c := range []struct {
		mutant string
		story  []string // in this order
	}{
		{"vote-twice", []string{"candidate t", "RequestVote t", "BROKEN: "}},
		{"commit-old-term", []string{"append ", "LEADS t", "ok ", "BROKEN: "}},
	} {
		t.Run(c.mutant, func(t *testing.T) {
			o := Options{Service: ledgers{}, Mutation: protocol.Mutation{Name: c.mutant}}
			plan, failure := firstFailure(t, o)
			small, report := Shrink(o, plan, 1200, func(line string) { t.Log(line) })
			if report.Failure == nil || report.Failure.Check != failure.Check {
				t.Fatalf("broke %v, shrunk to %v", failure, report.Failure)
			}
			if len(small.Faults) > 2 || len(small.Requests) > 6 || small.Nodes > 5 {
				t.Errorf("shrunk to\n%v", small)
			}
			written, err := json.Marshal(small)
			if err != nil {
				t.Fatal(err)
			}
			read, err := ParsePlan(written)
			if err != nil || read.String() != small.String() {
				t.Fatalf("%v: wrote\n%v\nread\n%v", err, small, read)
			}
			var steps []Step
			o.Trace = func(step Step) { steps = append(steps, step) }
			if again := Run(o, read); again.Digest != report.Digest {
				t.Errorf("digest %x, then %x", report.Digest, again.Digest)
			}
			page := Diagram(steps, names(small))
			fits(t, page)
			rest := page
			for _, part := range c.story {
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					t.Fatalf("%q is missing, or comes too soon, in\n%s", part, page)
				}
				rest = after
			}
		})
	}
}

// firstFailure is the first plan drawn that breaks something.
func firstFailure(t *testing.T, o Options) (Plan, Failure) {
	t.Helper()
	for seed := range uint64(100) {
		plan := Draw(seed)
		if report := Run(o, plan); report.Failure != nil {
			return plan, *report.Failure
		}
	}
	t.Fatal("no seed of 100 broke anything")
	return Plan{}, Failure{}
}

func names(p Plan) []protocol.NodeID {
	var ids []protocol.NodeID
	for i := range p.Nodes + p.Spares {
		ids = append(ids, nodeID(i))
	}
	return ids
}

// TestDraw_CanBeWritten: every plan drawn is one that ParsePlan takes.
func TestDraw_CanBeWritten(t *testing.T) {
	for seed := range uint64(300) {
		plan := Draw(seed)
		written, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		read, err := ParsePlan(written)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again, err := json.Marshal(read); err != nil || string(again) != string(written) {
			t.Fatalf("seed %d: %v: wrote\n%s\nthen\n%s", seed, err, written, again)
		}
	}
}
