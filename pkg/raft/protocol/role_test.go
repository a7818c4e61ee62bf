package protocol

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestTransitions walks every role and trigger; the golden file is the table that doc.go points to.
func TestTransitions(t *testing.T) {
	triggers := []Trigger{StartPreVote, StartElection, WinElection, LoseElection, HigherTerm, LeaderFound, GrantVote, QuorumLost, Removed}
	var table strings.Builder
	fmt.Fprintf(&table, "%-15s", "")
	for role := Follower; role <= Leader; role++ {
		fmt.Fprintf(&table, "%-15s", role)
	}
	table.WriteString("\n")
	for _, trigger := range triggers {
		fmt.Fprintf(&table, "%-15s", trigger)
		for role := Follower; role <= Leader; role++ {
			fmt.Fprintf(&table, "%-15s", tryTransition(t, role, trigger))
		}
		table.WriteString("\n")
	}
	got := strings.ReplaceAll(table.String(), " \n", "\n")
	const golden = "testdata/transitions.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("transitions differ from %s; run go test -update and review the diff:\n%s", golden, got)
	}
}

// tryTransition makes a real node of the role go through become; "-" if that is refused.
func tryTransition(t *testing.T, role Role, trigger Trigger) (result string) {
	t.Helper()
	n := newTestNode(t, "n1", 3, nil)
	n.role = role
	defer func() {
		if recover() != nil {
			result = "-"
		}
	}()
	n.become(trigger)
	if n.role == Leader && len(n.progress) != 2 {
		t.Errorf("%v × %s: a new leader tracks %d peers", role, trigger, len(n.progress))
	}
	if n.role != Leader && n.progress != nil {
		t.Errorf("%v × %s: progress outlived the leader", role, trigger)
	}
	return n.role.String()
}
