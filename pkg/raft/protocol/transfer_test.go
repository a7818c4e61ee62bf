package protocol

import (
	"testing"
	"time"
)

// TestTransfer_AnswerToTimeoutNowConfirmsReads: a read that was registered before TimeoutNow left rests on its answer, as
// on that to any request, and does not wait for a heartbeat.
func TestTransfer_AnswerToTimeoutNowConfirmsReads(t *testing.T) {
	n := leaderOf(t, 1)
	now := n.now
	n.Persisted(now, 2)
	ticket, _ := appendTo(t, n, now, "n2")
	n.Receive(now, Message{From: "n2", To: "n1", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
	if n.commitIndex != 1 {
		t.Fatalf("committed %d, want 1", n.commitIndex)
	}
	if _, err := n.Transfer(now, "n2"); err != nil {
		t.Fatal(err)
	}
	if out := n.Read(now, 7); len(out.Reads) > 0 {
		t.Fatalf("a read ended before anybody confirmed it: %+v", out.Reads)
	}
	var told Message
	for _, m := range n.Replicate(now.Add(time.Millisecond), "n2").Send {
		if _, ok := m.Body.(TimeoutNowRequest); ok {
			told = m
		}
	}
	if told.Body == nil {
		t.Fatal("the target was not told to campaign")
	}
	out := n.Receive(now.Add(2*time.Millisecond), Message{From: "n2", To: "n1", Ticket: told.Ticket, Body: TimeoutNowReply{Term: 1}})
	if len(out.Reads) != 1 || out.Reads[0].ID != 7 || out.Reads[0].Err != nil {
		t.Errorf("reads after the answer: %+v, want the one that waited", out.Reads)
	}
	if left := len(n.progress["n2"].flights); left > 1 { // a heartbeat may be out
		t.Errorf("%d requests still wait for an answer", left)
	}
}
