package protocol

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestChange_ADeadLearnerDoesNotJoin: what it had caught up with as a learner counts for nothing once it is asked to vote:
// the change waits for it, and can be taken back.
func TestChange_ADeadLearnerDoesNotJoin(t *testing.T) {
	c, leader := elected(t, 1, 1, 1, nil)
	c.change(leader, Change{Add: []Member{{ID: "n2", Suffrage: Learner}}})
	c.run(2 * time.Second)
	c.crash("n2")
	c.propose(leader, "x")
	c.run(5 * time.Second)
	c.change(leader, add("n2"))
	c.run(5 * time.Second)
	if got := c.nodes[leader].config(); got.Joint {
		t.Fatalf("a dead learner makes it %v", got)
	}
	if !c.change(leader, remove("n2")) {
		t.Error("the change cannot be taken back")
	}
	c.awaitMembers(time.Second, "n1")
}

// TestChange_RemovedAndAddedAtOnce: a member that lost its disk may be removed and added in one change; it begins anew.
func TestChange_RemovedAndAddedAtOnce(t *testing.T) {
	c, leader := elected(t, 1, 3, 1, nil)
	c.change(leader, Change{Add: []Member{{ID: "n4", Suffrage: Learner}}})
	for i := range 50 {
		c.propose(leader, fmt.Sprint(i))
	}
	c.run(2 * time.Second)
	c.crash("n4")
	c.loseDisk("n4")
	c.start("n4", nil)
	c.run(2 * time.Second)
	if !c.change(leader, Change{Remove: []NodeID{"n4"}, Add: []Member{{ID: "n4"}}}) {
		t.Fatal("refused")
	}
	c.awaitMembers(5*time.Second, "n1 n2 n3 n4")
	c.awaitCommit(5 * time.Second)
}

// TestSnapshot_StrangersKeepNoSender: members that come back with other directories, and are sent nothing, do not use up
// the senders of snapshots.
func TestSnapshot_StrangersKeepNoSender(t *testing.T) {
	keepNothing := func(o *Options) { o.SnapshotKeep = -1 }
	c, leader := elected(t, 3, 5, 1, keepNothing)
	lost := slices.DeleteFunc(slices.Clone(c.founders), func(id NodeID) bool { return id == leader })[:2]
	for _, id := range lost {
		c.crash(id)
	}
	for i := range 20 {
		c.propose(leader, fmt.Sprint(i))
	}
	c.run(time.Second)
	c.takeSnapshot(leader)
	c.run(time.Second)
	for _, id := range lost {
		c.loseDisk(id)
		c.nodes[id].joins = true
		c.start(id, keepNothing)
	}
	c.run(time.Second)
	c.change(leader, Change{Add: add("n6").Add, Remove: lost[:1]})
	if !c.runUntil(5*time.Second, func() bool { return c.nodes["n6"].log.last() == c.nodes[leader].log.last() }) {
		t.Errorf("n6 holds %v, the leader %v", c.nodes["n6"].log.last(), c.nodes[leader].log.last())
	}
}

// TestDirectories_UnusableOnesAreLeftOut: an address that no configuration can hold is not entered, and stops nobody.
func TestDirectories_UnusableOnesAreLeftOut(t *testing.T) {
	for _, address := range []string{strings.Repeat("a", 300) + ":1", "\xff\xfe:1"} {
		c, leader := elected(t, 7, 3, 0, nil)
		follower := c.ids[(slices.Index(c.ids, leader)+1)%3]
		c.crash(follower)
		c.start(follower, func(o *Options) { o.Identity.Address = address })
		c.run(time.Second)
		if m, _ := c.nodes[leader].config().Member(follower); m.Address != "at "+string(follower) {
			t.Errorf("%.20q is entered as %.20q", address, m.Address)
		}
	}
	many := configurationOf("n1")
	for i := range MaxMembers - 1 {
		many.Members = append(many.Members, Member{ID: NodeID(fmt.Sprintf("o%02d", i)), Suffrage: Voter, Directory: strings.Repeat("<", 256), Address: strings.Repeat("<", 256)})
	}
	if err := many.validate(); err == nil {
		t.Errorf("a configuration of %d bytes is valid, and cannot be read", len(many.Encode()))
	}
	if _, err := configurationOf("n1").begin(Change{Add: []Member{{ID: "n2", Address: "\xff"}}}); err == nil {
		t.Error("a member with such an address can be added")
	}
}

// TestReceive_OddMessages: whatever a peer sends, a node neither panics nor takes it for the truth.
func TestReceive_OddMessages(t *testing.T) {
	configuration := func(text string) []Entry {
		return []Entry{{Index: 1, Term: 7, Kind: EntryConfiguration, Data: []byte(text)}}
	}
	const most = ^Index(0)
	for _, body := range []Body{
		AppendEntriesRequest{Term: 7, LeaderID: "n1", PrevLogIndex: 0, PrevLogTerm: 3},
		AppendEntriesRequest{Term: 7, LeaderID: "n1", PrevLogIndex: most, Entries: []Entry{{Term: 7}}, LeaderCommit: most},
		AppendEntriesRequest{Term: 7, LeaderID: "n1", Entries: []Entry{{Index: 1, Term: 7, Kind: 9}}},
		AppendEntriesRequest{Term: 7, LeaderID: "n1", Entries: configuration(`{"members":null}`)},
		AppendEntriesRequest{Term: 7, LeaderID: "n1", Entries: configuration(`{"members":[{"id":"x","suffrage":"learner"}]}`)},
		AppendEntriesRequest{Term: 7, LeaderID: "n1", Entries: configuration("{\"members\":[{\"id\":\"\xff\",\"suffrage\":\"voter\"}]}")},
		InstallSnapshotRequest{Term: 7, LeaderID: "n1", LastIncludedIndex: 3, LastIncludedTerm: 9, Size: 1},
		InstallSnapshotRequest{Term: 7, LeaderID: "n1", LastIncludedTerm: 7, Size: 1},
		InstallSnapshotRequest{Term: 7, LeaderID: "n1", Configuration: `{"members":[]}`, LastIncludedIndex: 3, LastIncludedTerm: 7, Size: 1},
		RequestVoteRequest{Term: 9, LastLogIndex: most, LastLogTerm: MaxTerm + 1},
	} {
		n := newTestNode(t, "n2", 3, nil)
		out := n.Receive(n.now, Message{From: "n1", To: "n2", Ticket: 1, Body: body})
		if out.Err != nil || n.log.last().Index > 0 || n.commitIndex > 0 || len(out.Chunks) > 0 || n.config().String() != "n1, n2, n3" {
			t.Errorf("%+v: it believes it: %v, log up to %v, committed %d", body, out.Err, n.log.last(), n.commitIndex)
		}
		if len(out.Send)+len(out.SendAfterPersist) != 1 {
			t.Errorf("%+v: %d answers", body, len(out.Send)+len(out.SendAfterPersist))
		}
	}
}
