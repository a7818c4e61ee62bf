package protocol

import (
	"fmt"
	"testing"
)

// TestSnapshot_ThatTheLogOvertookIsRestored: storage answers a save with a leader's newer snapshot, which the log has come
// up to by entries; the state machine has not.
func TestSnapshot_ThatTheLogOvertookIsRestored(t *testing.T) {
	n := leaderOf(t, 20)
	n.Persisted(n.now, 21)
	for _, peer := range []NodeID{"n2", "n3"} {
		ticket, _ := appendTo(t, n, n.now, peer)
		n.Receive(n.now, Message{From: peer, To: "n1", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
	}
	_, entries := n.Committed(5)
	n.Applied(entries[len(entries)-1].Index)
	theirs, ok := n.SnapshotAt(n.commitIndex - 1)
	if !ok {
		t.Fatalf("no snapshot can be taken below %d", n.commitIndex)
	}
	n.SnapshotStored(theirs)
	if n.AppliedIndex() != 5 {
		t.Errorf("applied %d, and the state machine was given 5", n.AppliedIndex())
	}
	restore, entries := n.Committed(5)
	if restore != theirs {
		t.Errorf("next is %v, %v, want the snapshot at %v", restore, fmt.Sprint(entries), theirs.Position)
	}
}
