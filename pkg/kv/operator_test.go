package kv

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

func TestOperator_Snapshot(t *testing.T) {
	n := newNode(t, Options{})
	want(t, n.do("POST", "/v1/snapshot", ""), 202, "{}")
	if n.replica.snapshots != 1 {
		t.Errorf("%d snapshots were taken", n.replica.snapshots)
	}
	want(t, n.do("GET", "/v1/snapshot", ""), 405, "method_not_allowed")
	want(t, n.do("POST", "/v1/snapshot?index=3", ""), 400, "none is allowed here")
	n.replica.change(func() { n.replica.state.Role = protocol.Follower })
	want(t, n.do("POST", "/v1/snapshot", ""), 202, "{}") // on any node
	n.replica.change(func() { n.replica.snapErr = fmt.Errorf("%w: index 7", raft.ErrSnapshot) })
	if body := want(t, n.do("POST", "/v1/snapshot", ""), 409, "snapshot_in_progress"); !strings.Contains(body, `"outcome":"none"`) {
		t.Error(body)
	}
	n.replica.change(func() { n.replica.snapErr = raft.ErrStopped })
	want(t, n.do("POST", "/v1/snapshot", ""), 503, "stopping")
	n.Stop()
	want(t, n.do("POST", "/v1/snapshot", ""), 503, "stopping")
}

func TestOperator_Transfer(t *testing.T) {
	for _, c := range []struct {
		name, body string
		to         protocol.NodeID
	}{
		{"to the most caught up", "", ""},
		{"to nobody named", "{}", ""},
		{"to one by name", `{"to": "n2"}` + "\n", "n2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Options{})
			var asked protocol.NodeID = "nobody"
			news := make(chan struct{})
			n.replica.transfer = func(to protocol.NodeID) error {
				asked = to
				n.replica.change(func() {
					n.replica.state.Role, n.replica.state.Leader, n.replica.state.Term = protocol.Follower, "", 4
				})
				go func() {
					defer close(news)
					n.LeadershipChanged(4, false) // no leader yet: the answer waits on
					n.replica.change(func() { n.replica.state.Leader = "n2" })
					n.LeadershipChanged(4, false)
				}()
				return nil
			}
			resp := n.do("POST", "/v1/leader/transfer", c.body)
			want(t, resp, 200, `{"leader":"n2","term":4}`)
			if resp.Header.Get("Raft-Leader") != "n2" || resp.Header.Get("Raft-Term") != "4" {
				t.Errorf("headers %v", resp.Header)
			}
			if asked != c.to {
				t.Errorf("asked for %q", asked)
			}
			<-news
		})
	}
}

func TestOperator_TransferRefused(t *testing.T) {
	n := newNode(t, Options{})
	outcome := func(body, outcome string) {
		t.Helper()
		if !strings.Contains(body, `"outcome":"`+outcome+`"`) {
			t.Error(body)
		}
	}
	for _, c := range []struct {
		err     error
		status  int
		code    string
		outcome string
	}{
		{raft.ErrTransferring, 409, "transfer_in_progress", "none"},
		{raft.ErrTransferTarget, 400, `to=\"n9\": leadership can go to another voter alone; the members are [n1 n2 n3]`, "none"},
		{raft.ErrTransferFailed, 504, "timeout", "unknown"},
		{raft.ErrStopped, 504, "stopping", "unknown"},
	} {
		n.replica.change(func() { n.replica.transfer = func(protocol.NodeID) error { return c.err } })
		outcome(want(t, n.do("POST", "/v1/leader/transfer", `{"to":"n9"}`), c.status, c.code), c.outcome)
	}
	for _, body := range []string{"n2", `"n2"`, `{"to":2}`, `{"leader":"n2"}`, `{"to":"n2"} {}`, `{"to":"n2"`, "[]"} {
		outcome(want(t, n.do("POST", "/v1/leader/transfer", body), 400, `the body must be empty or {\"to\":\"NAME\"}`), "none")
	}
	want(t, n.do("POST", "/v1/leader/transfer", `{"to":"`+strings.Repeat("n", 5000)+`"}`), 413, "more than 4096 bytes")
	want(t, n.do("POST", "/v1/leader/transfer?to=n2", ""), 400, "none is allowed here")
	want(t, n.do("PUT", "/v1/leader/transfer", ""), 405, "method_not_allowed")

	n.replica.change(func() {
		n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test"
	})
	resp := n.do("POST", "/v1/leader/transfer", `{"to":"n3"}`)
	want(t, resp, 307, "not_leader")
	if got := resp.Header.Get("Location"); got != "http://n2.test/v1/leader/transfer" {
		t.Errorf("Location: %s", got)
	}
	n.replica.change(func() { n.replica.state.Leader, n.replica.state.LeaderURL = "", "" })
	want(t, n.do("POST", "/v1/leader/transfer", ""), 503, "no_leader")
	n.Stop()
	want(t, n.do("POST", "/v1/leader/transfer", ""), 503, "stopping")
}

// A leader that finds itself deposed when it is about to transfer sends the client on.
func TestOperator_TransferTooLate(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.transfer = func(protocol.NodeID) error {
		n.replica.change(func() {
			n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test"
		})
		return raft.ErrNotLeader
	}
	want(t, n.do("POST", "/v1/leader/transfer", ""), 307, "not_leader")
}

// What is not seen to end is answered with 504: a transfer that hangs, an election after it that elects nobody, and
// a node that stops meanwhile.
func TestOperator_TransferNotSeenToEnd(t *testing.T) {
	n := newNode(t, Options{RequestTimeout: 20 * time.Millisecond})
	want(t, n.do("POST", "/v1/leader/transfer", ""), 504, "timeout")
	n.replica.change(func() { n.replica.transfer = func(protocol.NodeID) error { return nil } })
	want(t, n.do("POST", "/v1/leader/transfer", ""), 504, "no new leader is known in time")

	n = newNode(t, Options{})
	n.replica.transfer = func(protocol.NodeID) error {
		n.replica.kill()
		return nil
	}
	want(t, n.do("POST", "/v1/leader/transfer", ""), 504, "this node stopped")
}

// A write during a transfer was not accepted, and comes again.
func TestService_WriteDuringATransfer(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.change(func() { n.replica.proposeErr = raft.ErrTransferring })
	resp := n.do("PUT", "/v1/kv/k", "v")
	if body := want(t, resp, 503, "transferring"); !strings.Contains(body, `"outcome":"none"`) || resp.Header.Get("Retry-After") == "" {
		t.Error(body, resp.Header)
	}
}

// The log's page begins where the log does.
func TestService_LogBehindASnapshot(t *testing.T) {
	n := newNode(t, Options{})
	for i := range 5 {
		want(t, n.do("PUT", "/v1/kv/k", fmt.Sprint(i)), 200, "")
	}
	n.replica.change(func() { n.replica.state.FirstIndex = 4 })
	for _, from := range []string{"1", "3", "4"} {
		want(t, n.do("GET", "/v1/log?from="+from+"&limit=1", ""), 200, `{"first":4,"entries":[{"index":4,"term":3,"checksum":`)
	}
	want(t, n.do("GET", "/v1/log?from=5", ""), 200, `{"first":5,"entries":[{"index":5,`)
	want(t, n.do("GET", "/v1/log?from=6", ""), 200, `{"first":6,"entries":[]}`)
	n.replica.change(func() { n.replica.state.FirstIndex = 6 }) // nothing is left of it
	want(t, n.do("GET", "/v1/log", ""), 200, `{"first":6,"entries":[]}`)
}

// elsewhere is the state of a leader's that this node gets: other entries than its own, and the session's.
func elsewhere(t *testing.T, entries int) (protocol.Position, []byte) {
	s := newScript(t)
	s.verdict(Command{Op: OpCreateSession, Limit: 10, TTL: 1 << 50}, Done)
	s.verdict(in(Command{Op: OpAppend, Key: []byte("k"), Value: []byte("x"), Limit: 1 << 20}, 1, 1), Done)
	for int(s.next) <= entries {
		s.verdict(put("other", "v"), Done)
	}
	return s.machine.Applied(), snapshot(t, s.machine)
}

// A write whose entry an installed snapshot skips is answered at once, with an unknown outcome; its session is free
// again, and its repeat gets the answer that the snapshot holds.
func TestInstall_AnswersWhoWaits(t *testing.T) {
	n := newNode(t, Options{})
	id := n.openSession(t)
	at, data := elsewhere(t, 5)
	n.replica.change(func() { n.replica.held = true })
	answers := make(chan *http.Response, 2)
	go func() { answers <- n.appendIn(id, 1, "x") }()
	n.awaitProposal(t, 2)
	go func() { answers <- n.do("PUT", "/v1/kv/j", "v") }()
	n.awaitProposal(t, 3)
	n.replica.install(t, at, data)
	for range 2 {
		if body := want(t, <-answers, 504, "leadership_lost"); !strings.Contains(body, `"outcome":"unknown"`) {
			t.Error(body)
		}
	}
	again := n.appendIn(id, 1, "x")
	want(t, again, 200, `{"index":2,"term":1,"revision":2}`)
	if again.Header.Get("Session-Replayed") != "true" {
		t.Error("not marked as replayed")
	}
	want(t, n.appendIn(id, 1, "y"), 422, "sequence_reused")
	want(t, n.do("GET", "/v1/kv/k", ""), 200, "x")
}

// Proposals behind the snapshot are not its business.
func TestInstall_LeavesLaterProposals(t *testing.T) {
	m := NewMachine()
	at, data := elsewhere(t, 5)
	early := &proposal{at: protocol.Position{Term: 3, Index: 5}, done: make(chan struct{})}
	late := &proposal{at: protocol.Position{Term: 3, Index: 6}, done: make(chan struct{})}
	m.proposals.waiting[5], m.proposals.waiting[6] = early, late
	restore(t, m, at, data)
	<-early.done
	if !errors.Is(early.err, errCovered) {
		t.Errorf("covered: %v", early.err)
	}
	select {
	case <-late.done:
		t.Errorf("answered: %v", late.err)
	default:
	}
}

// Reads that wait for an index move on when a snapshot brings it.
func TestInstall_WakesReads(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.change(func() { n.replica.state.CommitIndex = 5 })
	answer := make(chan *http.Response)
	for _, path := range []string{"/v1/kv/k", "/v1/kv?prefix=k"} {
		go func() { answer <- n.do("GET", path, "") }()
	}
	at, data := elsewhere(t, 5)
	n.replica.install(t, at, data)
	for range 2 {
		resp := <-answer
		want(t, resp, 200, "")
		if resp.Header.Get("Raft-Index") != "5" {
			t.Errorf("read at %s", resp.Header.Get("Raft-Index"))
		}
	}
	if got := n.machine.Applied(); got != at {
		t.Errorf("applied %v, want %v", got, at)
	}
}
