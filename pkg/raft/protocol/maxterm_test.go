package protocol

import (
	"math"
	"testing"
	"time"
)

// TestMaxTerm: a message from the end of all terms moves no term, gets no vote, and is told of.
func TestMaxTerm(t *testing.T) {
	const absurd = Term(math.MaxUint64)
	for _, body := range []Body{
		RequestVoteRequest{Term: absurd, CandidateID: "n2", LastLogIndex: 127, LastLogTerm: 127},
		RequestVoteRequest{Term: absurd, CandidateID: "n2", LastLogIndex: 127, LastLogTerm: 127, PreVote: true},
		RequestVoteRequest{Term: 5, CandidateID: "n2", LastLogIndex: 127, LastLogTerm: absurd},
		RequestVoteReply{Term: absurd, VoteGranted: true},
		AppendEntriesRequest{Term: absurd, LeaderID: "n2"},
		AppendEntriesReply{Term: absurd, Success: true},
		ConfirmLeaderRequest{Term: absurd, LeaderID: "n2"},
		ConfirmLeaderReply{Term: absurd},
		ReadIndexReply{Term: absurd, Success: true},
		InstallSnapshotRequest{Term: absurd, LeaderID: "n2", LastIncludedIndex: 9, LastIncludedTerm: 9},
		InstallSnapshotReply{Term: absurd, Installed: true},
		TimeoutNowRequest{Term: absurd, LeaderID: "n2"},
		TimeoutNowReply{Term: absurd},
	} {
		n := newTestNode(t, "n1", 3, nil)
		out := n.Receive(time.Unix(1, 0), Message{From: "n2", To: "n1", Ticket: 7, Body: body})
		if n.hard.Term != 0 || n.hard.VotedFor != "" || n.role != Follower {
			t.Errorf("%T moved the node to term %d, vote %q, %v", body, n.hard.Term, n.hard.VotedFor, n.role)
		}
		told := false
		for _, e := range out.Events {
			_, violated := e.(ProtocolViolated)
			told = told || violated
		}
		if !told {
			t.Errorf("%T: nobody is told", body)
		}
		for _, m := range out.Send {
			if reply, ok := m.Body.(RequestVoteReply); ok && reply.VoteGranted {
				t.Errorf("%T was granted a vote", body)
			}
		}
	}
}
