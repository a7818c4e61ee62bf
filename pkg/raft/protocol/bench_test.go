package protocol

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkLeader is one proposal's way through a leader with four peers, all of whom answer at once, and each heartbeat
// that is due meanwhile.
func BenchmarkLeader(b *testing.B) {
	n := newTestNode(b, "n1", 5, func(o *Options) { o.DisablePreVote = true })
	answer := func(out Output) {
		if out.Persist != nil {
			n.Persisted(n.now, out.Persist.Number)
		}
		for _, m := range append(out.Send, out.SendAfterPersist...) {
			n.Receive(n.now, Message{From: m.To, To: m.From, Ticket: m.Ticket, Body: agreed(m, n.hard.Term)})
		}
	}
	answer(n.Tick(n.Deadline()))
	if n.Role() != Leader {
		b.Fatalf("it is a %v", n.Role())
	}
	command := []byte("set x to 1")
	b.ReportAllocs()
	for b.Loop() {
		now := n.now.Add(time.Millisecond)
		_, out, err := n.Propose(now, command)
		if err != nil {
			b.Fatal(err)
		}
		answer(out)
		for _, peer := range n.peers {
			answer(n.Replicate(now, peer))
		}
		if n.commitIndex != n.log.last().Index {
			b.Fatalf("%d of %d committed", n.commitIndex, n.log.last().Index)
		}
		if meta, ok := n.SnapshotAt(n.commitIndex); ok && n.commitIndex%4096 == 0 {
			n.SnapshotStored(meta)
		}
		if now.After(n.Deadline()) {
			answer(n.Tick(now))
		}
	}
}

// BenchmarkFollower is a small AppendEntries taken in, saved and answered.
func BenchmarkFollower(b *testing.B) {
	n := newTestNode(b, "n1", 5, nil)
	b.ReportAllocs()
	for b.Loop() {
		now := n.now.Add(time.Millisecond)
		last := n.log.last()
		e := Entry{Index: last.Index + 1, Term: 1, Data: []byte("set x to 1")}
		out := n.Receive(now, Message{From: "n2", To: "n1", Ticket: uint64(e.Index), Body: AppendEntriesRequest{
			Term: 1, LeaderID: "n2", PrevLogIndex: last.Index, PrevLogTerm: last.Term, Entries: []Entry{e}, LeaderCommit: last.Index,
		}})
		n.Persisted(now, out.Persist.Number)
		if meta, ok := n.SnapshotAt(n.commitIndex); ok && n.commitIndex%4096 == 0 {
			n.SnapshotStored(meta)
		}
	}
}

// agreed is a positive answer to a request.
func agreed(m Message, term Term) Body {
	switch m.Body.(type) {
	case RequestVoteRequest:
		return RequestVoteReply{Term: term, VoteGranted: true}
	case AppendEntriesRequest:
		return AppendEntriesReply{Term: term, Success: true}
	}
	panic(fmt.Sprintf("a %T to answer", m.Body))
}
