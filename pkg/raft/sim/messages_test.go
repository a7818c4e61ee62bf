package sim

import (
	"testing"

	"whitewater/pkg/raft/protocol"
)

// TestMessages: for each message, whether it asks, the term that its sender shows, what a positive answer promises, and
// how it is told.
func TestMessages(t *testing.T) {
	two := []protocol.Entry{{Index: 5, Term: 3}, {Index: 6, Term: 4}}
	for _, c := range []struct {
		body     protocol.Body
		request  bool
		term     protocol.Term
		accepted bool
		promise  promise // of a request: what is promised; of an answer: what it answers
		text     string
	}{
		{protocol.AppendEntriesRequest{Term: 4, PrevLogIndex: 4, PrevLogTerm: 3, Entries: two, LeaderCommit: 3}, true, 4, false, promise{to: "n1", term: 4, index: 6}, "AppendEntries t4 5@3 6@4, prev 4@3, commit 3"},
		{protocol.AppendEntriesRequest{Term: 4, PrevLogIndex: 4, PrevLogTerm: 3}, true, 4, false, promise{heartbeat: true, to: "n1", term: 4, index: 4}, "heartbeat t4, prev 4@3, commit 0"},
		{protocol.RequestVoteRequest{Term: 4, LastLogIndex: 7, LastLogTerm: 3}, true, 4, false, promise{vote: true, to: "n1", term: 4}, "RequestVote t4, last 7@3"},
		{protocol.RequestVoteRequest{Term: 4, PreVote: true}, true, 0, false, promise{to: "n1", term: 4}, "PreVote t4, last none"},
		{protocol.InstallSnapshotRequest{Term: 4, LastIncludedIndex: 20, LastIncludedTerm: 3}, true, 4, false, promise{to: "n1", term: 4, index: 20}, "InstallSnapshot t4 20@3"},
		{protocol.TimeoutNowRequest{Term: 4}, true, 4, false, promise{term: 4}, "TimeoutNow t4"},
		{protocol.ConfirmLeaderRequest{Term: 4}, true, 4, false, promise{term: 4}, "ConfirmLeader t4"},
		{protocol.ReadIndexRequest{Term: 4}, true, 4, false, promise{term: 4}, "ReadIndex"},

		{protocol.AppendEntriesReply{Term: 4, Success: true}, false, 4, true, promise{index: 7}, "ok 7 t4"},
		{protocol.AppendEntriesReply{Term: 4, Success: true}, false, 4, true, promise{heartbeat: true}, "heartbeat ok t4"},
		{protocol.AppendEntriesReply{Term: 4, ConflictIndex: 5}, false, 4, false, promise{}, "conflict 5 t4"},
		{protocol.AppendEntriesReply{Term: 4}, false, 4, false, promise{}, "refused t4"},
		{protocol.RequestVoteReply{Term: 4, VoteGranted: true}, false, 4, true, promise{vote: true}, "vote t4"},
		{protocol.RequestVoteReply{Term: 5}, false, 5, false, promise{vote: true}, "no vote t5"},
		{protocol.RequestVoteReply{Term: 4, VoteGranted: true}, false, 4, true, promise{}, "pre-vote t4"},
		{protocol.RequestVoteReply{Term: 5}, false, 5, false, promise{}, "no pre-vote t5"},
		{protocol.InstallSnapshotReply{Term: 4, Installed: true}, false, 4, true, promise{}, "snapshot ok t4"},
		{protocol.InstallSnapshotReply{Term: 4}, false, 4, false, promise{}, "snapshot ok t4"},
		{protocol.TimeoutNowReply{Term: 4}, false, 4, false, promise{}, "TimeoutNow ok t4"},
		{protocol.ConfirmLeaderReply{Term: 4}, false, 4, false, promise{term: 4}, "confirmed t4"},
		{protocol.ConfirmLeaderReply{Term: 5}, false, 5, false, promise{term: 4}, "not confirmed t5"},
		{protocol.ReadIndexReply{Term: 4, Success: true, ReadIndex: 7}, false, 4, false, promise{}, "ReadIndex 7"},
		{protocol.ReadIndexReply{Term: 4}, false, 4, false, promise{}, "no ReadIndex"},
	} {
		t.Run(c.text, func(t *testing.T) {
			m := protocol.Message{From: "n1", To: "n2", Body: c.body}
			if got := isRequest(c.body); got != c.request {
				t.Errorf("a request: %t", got)
			}
			if got := termOf(c.body); got != c.term {
				t.Errorf("shows term %d, want %d", got, c.term)
			}
			if got := accepted(c.body); got != c.accepted {
				t.Errorf("accepts: %t", got)
			}
			if got := promiseOf(m); c.request && got != c.promise {
				t.Errorf("promises %+v, want %+v", got, c.promise)
			}
			if got := messageText(m, c.promise); got != c.text {
				t.Errorf("told as %q, want %q", got, c.text)
			}
		})
	}
}

// TestClientTexts: how what clients ask, and are told, is told.
func TestClientTexts(t *testing.T) {
	c := newClient(newRun(Options{}, quiet()), 1)
	write := Operation{ID: 12, Kind: Put, Key: "k1", Value: "v"}
	for want, got := range map[string]string{
		`c1 put k1 "v" #12`:              askedText(c, write, true),
		"c1 get k1 #12":                  askedText(c, Operation{ID: 12, Kind: Get, Key: "k1"}, true),
		"c1 open #12":                    askedText(c, Operation{ID: 12, Kind: Open}, true),
		"c1 again #12":                   askedText(c, write, false),
		"c1 refused #12, not the leader": answeredText(c, write, reply{elsewhere: true}),
		`c1 got "v" #12`:                 answeredText(c, Operation{ID: 12, Kind: Get}, reply{value: Value{true, "v"}}),
		"c1 done #12":                    answeredText(c, write, reply{answer: Answer{Outcome: Done}}),
		"c1 done #12, it was there":      answeredText(c, write, reply{answer: Answer{Outcome: NotFound}}),
		"c1 refused #12, expired":        answeredText(c, write, reply{answer: Answer{Outcome: Refused, Reason: "expired"}}),
		"c1 unknown #12, lost":           answeredText(c, write, reply{answer: Answer{Reason: "lost"}}),
		"5..7@2 8@3":                     span([]protocol.Entry{{Index: 5, Term: 2}, {Index: 6, Term: 2}, {Index: 7, Term: 2}, {Index: 8, Term: 3}}),
		"none":                           span(nil),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
