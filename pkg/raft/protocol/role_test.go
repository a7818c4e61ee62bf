package protocol

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables in docs")

// page shows both tables; doc.go points to it.
const page = "../../../docs/raft.md"

// TestTransitions walks every role and trigger, and every state of a peer: the page has the tables that come of it.
func TestTransitions(t *testing.T) {
	var roles, peers strings.Builder
	triggers := []Trigger{StartPreVote, StartElection, WinElection, LoseElection, HigherTerm, LeaderFound, GrantVote, QuorumLost, Removed}
	roles.WriteString("| | follower | pre_candidate | candidate | leader |\n|---|---|---|---|---|\n")
	for _, trigger := range triggers {
		fmt.Fprintf(&roles, "| `%s` |", trigger)
		for role := Follower; role <= Leader; role++ {
			fmt.Fprintf(&roles, " %s |", tryTransition(t, role, trigger))
		}
		roles.WriteString("\n")
	}
	peers.WriteString("| | probe | replicate | snapshot |\n|---|---|---|---|\n")
	for _, trigger := range []peerTrigger{logsAgree, logsDiffer, requestLost, entriesGone, snapshotInstalled, snapshotDropped} {
		fmt.Fprintf(&peers, "| `%s` |", trigger)
		for _, state := range []PeerState{Probe, Replicate, Install} {
			fmt.Fprintf(&peers, " %s |", tryPeerTransition(state, trigger))
		}
		peers.WriteString("\n")
	}
	comparePage(t, "roles", roles.String())
	comparePage(t, "peers", peers.String())
}

// comparePage holds the named table of the page against what it should be.
func comparePage(t *testing.T, name, table string) {
	t.Helper()
	begins := "<!-- " + name + ": written by go test ./pkg/raft/protocol -run Transitions -update -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(text), begins)
	old, after, closed := strings.Cut(rest, "<!-- end -->\n")
	switch {
	case !opened || !closed:
		t.Fatalf("%s lacks the table %s", page, name)
	case *update:
		if err := os.WriteFile(page, []byte(before+begins+table+"<!-- end -->\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != table:
		t.Errorf("the table %s of %s should be as follows; run go test -update and review the difference:\n%s", name, page, table)
	}
}

// tryPeerTransition tells where a trigger leads; "-" if it is refused.
func tryPeerTransition(state PeerState, trigger peerTrigger) (result string) {
	defer func() {
		if recover() != nil {
			result = "-"
		}
	}()
	p := progress{state: state}
	p.become(trigger)
	return string(p.state)
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

// TestElection_LostWithoutPreVoteWaits: whoever raises the term with each campaign, and is refused, leaves the others the
// time for one of theirs, even when it is sure that the leader is dead.
func TestElection_LostWithoutPreVoteWaits(t *testing.T) {
	n := newTestNode(t, "n1", 3, func(o *Options) { o.DisablePreVote = true })
	n.Receive(n.now, Message{From: "n2", To: "n1", Ticket: 1, Body: AppendEntriesRequest{Term: 1, LeaderID: "n2"}})
	n.ConnectionLost(n.now, "n2")
	now := n.Deadline()
	out := n.Tick(now)
	n.Persisted(now, out.Persist.Number)
	for _, m := range out.SendAfterPersist {
		n.Receive(now, Message{From: m.To, To: "n1", Ticket: m.Ticket, Body: RequestVoteReply{Term: n.hard.Term}})
	}
	if n.Role() != Follower {
		t.Fatalf("both peers refused, and it is a %v", n.Role())
	}
	if wait := n.Deadline().Sub(now); wait < n.opts.ElectionTimeout/4 {
		t.Errorf("it campaigns again in %v", wait)
	}
}
