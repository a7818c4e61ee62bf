package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/sim"
)

// simulatedNode is one node with its log, led by itself.
type simulatedNode struct {
	t       testing.TB
	machine *simulatedMachine
	term    protocol.Term
	log     []protocol.Entry
	applied int
}

func newSimulatedNode(t testing.TB, mutation protocol.Mutation) *simulatedNode {
	return &simulatedNode{t: t, machine: simulated{mutation}.NewMachine().(*simulatedMachine), term: 1}
}

func (n *simulatedNode) propose(command []byte) (protocol.Position, error) {
	n.log = append(n.log, protocol.Entry{Index: protocol.Index(len(n.log) + 1), Term: n.term, Data: command})
	return n.log[len(n.log)-1].Position(), nil
}

// write proposes an operation.
func (n *simulatedNode) write(o sim.Operation) func() (sim.Answer, bool) {
	n.t.Helper()
	answer, err := n.machine.Write(o, time.UnixMilli(int64(1000+len(n.log))), n.propose)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer
}

// apply applies the rest of the log and returns what that did.
func (n *simulatedNode) apply() []sim.Effect {
	n.t.Helper()
	if err := n.machine.Apply(context.Background(), n.log[n.applied:]); err != nil {
		n.t.Fatal(err)
	}
	n.applied = len(n.log)
	return n.machine.Effects()
}

// answered is the answer, which must be there.
func (n *simulatedNode) answered(answer func() (sim.Answer, bool)) sim.Answer {
	n.t.Helper()
	a, ok := answer()
	if !ok {
		n.t.Fatal("no answer")
	}
	return a
}

// do has an operation applied and returns its answer.
func (n *simulatedNode) do(o sim.Operation) sim.Answer {
	n.t.Helper()
	answer := n.write(o)
	if _, ok := answer(); ok {
		n.t.Fatal("answered before it is applied")
	}
	n.apply()
	return n.answered(answer)
}

// open returns a new session.
func (n *simulatedNode) open() string {
	n.t.Helper()
	a := n.do(sim.Operation{Kind: sim.Open})
	if a.Outcome != sim.Done || a.Session != strconv.Itoa(len(n.log)) {
		n.t.Fatalf("opened %+v", a)
	}
	return a.Session
}

// change is an operation on key k.
func change(kind sim.OperationKind, session string, number uint64, value string) sim.Operation {
	return sim.Operation{ID: number, Kind: kind, Session: session, Number: number, Key: "k", Value: value}
}

// restarted is a node with another machine, restored from this one's snapshot.
func (n *simulatedNode) restarted() *simulatedNode {
	n.t.Helper()
	other := newSimulatedNode(n.t, n.machine.machine.state.mutation)
	other.receive(n)
	return other
}

// receive restores another node's snapshot.
func (n *simulatedNode) receive(from *simulatedNode) {
	n.t.Helper()
	at := from.machine.machine.Applied()
	if err := n.machine.Restore(context.Background(), at, bytes.NewReader(snapshot(n.t, from.machine.machine))); err != nil {
		n.t.Fatal(err)
	}
	n.log, n.applied, n.term = from.log[:at.Index:at.Index], int(at.Index), from.term
}

func TestSimulated_Operations(t *testing.T) {
	n := newSimulatedNode(t, protocol.Mutation{})
	session := n.open()
	if len(n.machine.Effects()) != 0 {
		t.Errorf("opening a session did %+v", n.machine.Effects())
	}
	for i, step := range []struct {
		kind   sim.OperationKind
		answer sim.Outcome
		after  sim.Value
	}{
		{sim.Delete, sim.Done, sim.Value{}},
		{sim.Put, sim.Done, sim.Value{Present: true, Data: "1"}},
		{sim.Append, sim.Done, sim.Value{Present: true, Data: "12"}},
		{sim.Create, sim.NotFound, sim.Value{Present: true, Data: "12"}},
		{sim.Delete, sim.Done, sim.Value{}},
		{sim.Create, sim.Done, sim.Value{Present: true, Data: "5"}},
	} {
		o := change(step.kind, session, uint64(i+1), strconv.Itoa(i))
		for attempt := range 2 {
			before := n.machine.Digest()
			if a := n.do(o); a != (sim.Answer{Outcome: step.answer}) {
				t.Errorf("attempt %d of %s %d: %+v", attempt, o.Kind, i, a)
			}
			want := sim.Effect{
				Index: protocol.Index(len(n.log)), Client: session, Number: o.Number,
				TookPlace: attempt == 0, Answer: step.answer,
			}
			if got := n.machine.Effects(); len(got) != 1 || got[0] != want {
				t.Errorf("attempt %d of %s %d did %+v, want %+v", attempt, o.Kind, i, got, want)
			}
			if got := n.machine.Read("k"); got != step.after {
				t.Errorf("attempt %d of %s %d left %+v", attempt, o.Kind, i, got)
			}
			if n.machine.Digest() == before {
				t.Errorf("attempt %d of %s %d left the digest as it was", attempt, o.Kind, i)
			}
		}
	}
}

func TestSimulated_Refusals(t *testing.T) {
	n := newSimulatedNode(t, protocol.Mutation{})
	session := n.open()
	if a := n.do(change(sim.Put, session, 2, "x")); a.Outcome != sim.Done {
		t.Error(a)
	}
	for _, c := range []struct {
		operation sim.Operation
		want      sim.Outcome
	}{
		{change(sim.Put, "99", 1, "y"), sim.Refused},    // no such session
		{change(sim.Put, session, 2, "y"), sim.Refused}, // another write under the same number
		{change(sim.Put, session, 1, "y"), sim.Unknown}, // too old to tell
	} {
		a := n.do(c.operation)
		effects := n.machine.Effects()
		if a.Outcome != c.want || a.Reason == "" || len(effects) != 1 || effects[0].TookPlace || effects[0].Answer != c.want {
			t.Errorf("%+v: answered %+v, did %+v", c.operation, a, effects)
		}
	}
	nowhere := func([]byte) (protocol.Position, error) { return protocol.Position{}, raft.ErrNotLeader }
	if _, err := n.machine.Write(change(sim.Put, session, 3, "z"), time.Time{}, nowhere); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("refused with %v", err)
	}
	if _, err := n.machine.Write(change(sim.Get, session, 3, ""), time.Time{}, n.propose); err == nil {
		t.Error("a read is no write")
	}
}

// A repeat joins the attempt in flight; another write of the session has to wait.
func TestSimulated_RepeatInFlight(t *testing.T) {
	n := newSimulatedNode(t, protocol.Mutation{})
	session := n.open()
	o := change(sim.Append, session, 1, "x")
	first, second := n.write(o), n.write(o)
	if len(n.log) != 2 {
		t.Fatalf("%d entries, want the session and one append", len(n.log))
	}
	if _, err := n.machine.Write(change(sim.Append, session, 2, "y"), time.Time{}, n.propose); !errors.Is(err, errInFlight) {
		t.Errorf("another write: %v", err)
	}
	n.apply()
	for _, answer := range []func() (sim.Answer, bool){first, second} {
		if a := n.answered(answer); a.Outcome != sim.Done {
			t.Errorf("answered %+v", a)
		}
	}
	if got := n.machine.Read("k").Data; got != "x" {
		t.Errorf("value %q", got)
	}
}

// Equal states have equal digests, however they came about, and a repeat is known as one behind a restart.
func TestSimulated_Snapshot(t *testing.T) {
	n := newSimulatedNode(t, protocol.Mutation{})
	session := n.open()
	var last sim.Operation
	for i := range 50 {
		last = change([]sim.OperationKind{sim.Put, sim.Append, sim.Append, sim.Create, sim.Delete, sim.Append}[i%6], session, uint64(i+1), "v")
		last.Key = fmt.Sprint("k", i%7)
		n.do(last)
		other := n.restarted()
		if got, want := other.machine.Digest(), n.machine.Digest(); got != want {
			t.Fatalf("restored %x, written %x:\n%s\n%s", got, want, dump(other.machine.machine), dump(n.machine.machine))
		}
		other.do(last)
		if got := other.machine.Effects(); len(got) != 1 || got[0].TookPlace {
			t.Fatalf("a repeat behind a restart did %+v", got)
		}
	}
	replay := newSimulatedNode(t, protocol.Mutation{})
	replay.log = n.log
	replay.apply()
	if got, want := replay.machine.Digest(), n.machine.Digest(); got != want {
		t.Errorf("in one batch %x, one by one %x", got, want)
	}
	other := newSimulatedNode(t, protocol.Mutation{})
	other.open()
	open := other.write(change(sim.Put, "1", 1, "lost"))
	other.receive(n)
	if a := other.answered(open); a != (sim.Answer{Outcome: sim.Unknown, Reason: errCovered.Error()}) {
		t.Errorf("covered by a snapshot: %+v", a)
	}
	if len(other.machine.Effects()) != 0 {
		t.Error("a snapshot did operations")
	}
}

// What is no longer seen to its end is of unknown outcome: at once when the office is lost, or when another entry stands
// in the place.
func TestSimulated_Lost(t *testing.T) {
	lost := sim.Answer{Outcome: sim.Unknown, Reason: errLost.Error()}
	n := newSimulatedNode(t, protocol.Mutation{})
	first, second := n.open(), n.open()
	kept, gone := n.write(change(sim.Append, first, 1, "x")), n.write(change(sim.Append, second, 1, "y"))
	n.machine.LeadershipChanged(1, true, 2)
	if _, ok := gone(); ok {
		t.Fatal("given up in its own term")
	}
	n.machine.LeadershipChanged(2, false, 3)
	if a := n.answered(gone); a != lost {
		t.Errorf("behind the commit index: %+v", a)
	}
	if _, ok := kept(); ok {
		t.Error("given up though it is committed")
	}
	n.log = n.log[:3]
	n.apply()
	if a := n.answered(kept); a.Outcome != sim.Done {
		t.Errorf("committed: %+v", a)
	}
	overwritten := n.write(change(sim.Append, first, 2, "z"))
	n.log[3] = protocol.Entry{Index: 4, Term: 2, Kind: protocol.EntryNoop}
	n.apply()
	if a := n.answered(overwritten); a != lost {
		t.Errorf("overwritten: %+v", a)
	}
	if got := n.machine.Read("k").Data; got != "x" {
		t.Errorf("value %q", got)
	}
}
