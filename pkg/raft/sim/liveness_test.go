package sim

import (
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// explained lets a cluster run that cannot get on and returns why it does not, as it says itself.
func explained(t *testing.T, plan Plan, spoil func(r *run, leader *server, others []*server)) (explanation string, leader protocol.NodeID, others []protocol.NodeID) {
	t.Helper()
	r := stage(t, plan, 4*time.Second)
	leads := r.leader()
	var rest []*server
	for _, s := range r.servers {
		if s != leads {
			rest = append(rest, s)
			others = append(others, s.id)
		}
	}
	spoil(r, leads, rest)
	r.advance(liveLimit, never)
	if r.failure != nil {
		t.Fatal(r.failure.Message)
	}
	explanation = r.liveness.explain()
	t.Log(explanation)
	return explanation, leads.id, others
}

// tells wants sentences in an explanation, in which L, A and B stand for the leader and the others.
func tells(t *testing.T, explanation string, leader protocol.NodeID, others []protocol.NodeID, sentences ...string) {
	t.Helper()
	names := strings.NewReplacer("{L}", string(leader), "{A}", string(others[0]), "{B}", string(others[1]))
	for _, sentence := range sentences {
		if sentence = names.Replace(sentence); !strings.Contains(explanation, sentence) {
			t.Errorf("%q is missing", sentence)
		}
	}
}

// TestExplain_Disturber: without pre-vote a node that hears nobody, and is heard, deposes every leader.
func TestExplain_Disturber(t *testing.T) {
	explanation, leader, others := explained(t, quiet(idle, bare), func(r *run, leader *server, others []*server) {
		disturber := others[1]
		for _, s := range []*server{leader, others[0]} {
			r.network.block(s.id, disturber.id, 1)
		}
		r.liveness.begin([]*server{leader, others[0]})
	})
	tells(t, explanation, leader, others,
		"in the 12s since these nodes were healed:",
		"- {L} gave up office ", " for a later term in which {B} had campaigned",
		"- {B} asked for votes ", " times and came to lead never; ",
		"it does not hear {L}, since nothing passes from {L} to it, while what it says reaches {A}",
		" for a RequestVote of {B}, which did not lead",
		"how they stand:\nn1: ", "{B}: candidate of term ")
}

// TestExplain_LogBehind: of two live nodes one may not lead, for its log, and nothing that the other says arrives.
func TestExplain_LogBehind(t *testing.T) {
	explanation, leader, others := explained(t, quiet(), func(r *run, leader *server, others []*server) {
		r.network.block(leader.id, others[1].id, 1)
		r.network.block(others[0].id, others[1].id, 1)
		r.advance(time.Second, never) // in which the others commit
		leader.stop("it stays broken")
		r.liveness.begin(others)
	})
	tells(t, explanation, leader, others, "- {B} asked for votes ", " came to lead never; {A} refused ", "(log_behind)", "{L} is down")
}

// TestExplain_Unanswered: a leader that nobody answers gives up its office.
func TestExplain_Unanswered(t *testing.T) {
	explanation, leader, others := explained(t, quiet(idle), func(r *run, leader *server, others []*server) {
		for _, s := range others {
			r.network.block(s.id, leader.id, 1)
		}
		r.liveness.begin(r.servers)
	})
	tells(t, explanation, leader, others, "- {L} gave up office once, because no majority answered it")
}

// TestExplain_Quiet: where all is well nobody campaigned.
func TestExplain_Quiet(t *testing.T) {
	explanation, leader, others := explained(t, quiet(idle), func(r *run, _ *server, _ []*server) { r.liveness.begin(r.servers) })
	tells(t, explanation, leader, others, "- nobody campaigned", "{L}: leader of term 1", `{A}: follower of term 1, leader "{L}", log ends at 1.`)
	if strings.Contains(explanation, "gave up") || strings.Contains(explanation, "put off") {
		t.Error("something is told that did not happen")
	}
}

// TestLiveness_Changes: a leader from outside the healed nodes may lose its office.
func TestLiveness_Changes(t *testing.T) {
	r := stage(t, quiet(idle), 0)
	r.network.core = map[protocol.NodeID]bool{"n1": true, "n2": true}
	r.liveness.begin(r.servers[:2])
	for _, s := range r.servers {
		r.oracle.candidates[7] = "n2"
		r.liveness.observe(s, protocol.RoleChanged{From: protocol.Leader, To: protocol.Follower, Trigger: protocol.HigherTerm, Term: 7})
		r.liveness.observe(s, protocol.RoleChanged{From: protocol.Leader, To: protocol.Follower, Trigger: protocol.QuorumLost, Term: 7})
	}
	if got := r.liveness.changes(); got != 4 {
		t.Errorf("%d changes, want 4", got)
	}
}

func TestTimes(t *testing.T) {
	for n, want := range map[int]string{0: "never", 1: "once", 2: "2 times"} {
		if got := times(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}
