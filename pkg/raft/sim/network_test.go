package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// wire is a cluster before its first election, over whose links a test sends ConfirmLeader, which nobody else does.
type wire struct {
	*run
	steps []Step
}

func newWire(t *testing.T, network Network) *wire {
	t.Helper()
	w := &wire{}
	plan := quiet(idle, func(p *Plan) { p.Network = network })
	w.run = stageTraced(t, Options{Service: ledgers{}, Trace: func(s Step) { w.steps = append(w.steps, s) }}, plan, 0)
	return w
}

// ask sends a request from one node to another.
func (w *wire) ask(from, to protocol.NodeID) {
	s := w.byID[from]
	w.network.send(s, protocol.Message{
		From: from, To: to, Ticket: 1000 + uint64(len(s.calls)), Body: protocol.ConfirmLeaderRequest{Term: s.Term(), LeaderID: from},
	})
}

// took are the steps that came of it within a time, as kind, sender, receiver and text up to the term.
func (w *wire) took(d time.Duration) []string {
	w.steps = nil
	w.advance(d, never)
	var all []string
	for _, s := range w.steps {
		if text, _, _ := strings.Cut(s.Text, " t"); text == "ConfirmLeader" || text == "confirmed" || text == "not confirmed" {
			all = append(all, string(s.Kind)+" "+string(s.From)+" "+string(s.Node)+" "+text)
		}
	}
	slices.Sort(all)
	return all
}

// asks lets one node ask another, and wants these steps.
func (w *wire) asks(t *testing.T, from, to protocol.NodeID, want ...string) {
	t.Helper()
	w.steps = nil
	w.ask(from, to)
	lost := w.steps // what is lost is told at once
	got := w.took(100 * time.Millisecond)
	for _, s := range lost {
		got = append(got, "lost "+string(s.From)+" "+string(s.Node)+" ConfirmLeader")
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%s asks %s: %q, want %q", from, to, got, want)
	}
}

var brief = Network{Delay: 2 * time.Millisecond}

// TestNetwork_Cut: nothing passes a link as long as one of the faults that cut it lasts, and only in that direction.
func TestNetwork_Cut(t *testing.T) {
	w := newWire(t, brief)
	w.network.block("n1", "n2", 1)
	w.network.block("n1", "n2", 1)
	w.asks(t, "n1", "n2", "lost n1 n2 ConfirmLeader")
	w.asks(t, "n2", "n1", "delivered n2 n1 ConfirmLeader", "lost n1 n2 confirmed")
	w.asks(t, "n1", "n3", "delivered n1 n3 ConfirmLeader", "delivered n3 n1 confirmed")
	w.network.block("n1", "n2", -1)
	w.asks(t, "n1", "n2", "lost n1 n2 ConfirmLeader")
	w.network.block("n1", "n2", -1)
	w.asks(t, "n1", "n2", "delivered n1 n2 ConfirmLeader", "delivered n2 n1 confirmed")
}

// TestNetwork_Deaf: requests alone do not reach a deaf node.
func TestNetwork_Deaf(t *testing.T) {
	w := newWire(t, brief)
	w.network.deaf["n2"]++
	w.asks(t, "n1", "n2", "lost n1 n2 ConfirmLeader")
	w.asks(t, "n2", "n1", "delivered n1 n2 confirmed", "delivered n2 n1 ConfirmLeader")
}

// TestNetwork_Core: a healed link that is not cut delays and loses nothing, whatever the plan says.
func TestNetwork_Core(t *testing.T) {
	w := newWire(t, Network{Loss: 1, Duplicate: 1, Late: 1, Delay: time.Second})
	w.asks(t, "n1", "n2", "lost n1 n2 ConfirmLeader")
	w.network.core = map[protocol.NodeID]bool{"n1": true, "n2": true}
	for range 4 { // before the first election
		w.asks(t, "n1", "n2", "delivered n1 n2 ConfirmLeader", "delivered n2 n1 confirmed")
		for _, s := range w.steps {
			if took := s.At - s.Sent; took > 2*time.Millisecond {
				t.Errorf("%s took %v", s.Text, took)
			}
		}
	}
}

// TestNetwork_Duplicates: both copies of a request arrive; each is answered, and each answer arrives twice.
func TestNetwork_Duplicates(t *testing.T) {
	w := newWire(t, Network{Duplicate: 1, Delay: 2 * time.Millisecond})
	w.asks(t, "n1", "n2", slices.Concat(slices.Repeat([]string{"delivered n1 n2 ConfirmLeader"}, 2), slices.Repeat([]string{"delivered n2 n1 confirmed"}, 4))...)
}

// TestNetwork_Incarnations: an answer reaches the process that asked, and none that came after it.
func TestNetwork_Incarnations(t *testing.T) {
	w := newWire(t, brief)
	w.ask("n1", "n2")
	s := w.byID["n1"]
	s.stop("a restart")
	s.start()
	if got, want := w.took(100*time.Millisecond), []string{"delivered n1 n2 ConfirmLeader"}; !slices.Equal(got, want) {
		t.Errorf("the asker started again: %q, want %q", got, want)
	}
	w.ask("n1", "n2")
	w.byID["n2"].stop("for good")
	if got := w.took(100 * time.Millisecond); len(got) > 0 {
		t.Errorf("the asked is down: %q", got)
	}
}

// TestNetwork_CallTimeout: who gets no answer learns that it will not.
func TestNetwork_CallTimeout(t *testing.T) {
	w := newWire(t, brief)
	w.network.block("n2", "n1", 1)
	w.ask("n1", "n2")
	s := w.byID["n1"]
	if w.advance(callTimeout-time.Millisecond, never); len(s.calls) != 1 {
		t.Errorf("%d calls wait", len(s.calls))
	}
	if w.advance(2*time.Millisecond, never); len(s.calls) != 0 {
		t.Errorf("%d calls wait past their time", len(s.calls))
	}
}

// TestNetwork_Slow: messages of a slow node take long, and others do not.
func TestNetwork_Slow(t *testing.T) {
	w := newWire(t, brief)
	w.network.slow["n3"]++
	longest := map[protocol.NodeID]time.Duration{}
	for range 20 {
		w.ask("n1", "n3")
		w.ask("n1", "n2")
	}
	w.steps = nil
	w.advance(mostSlow, never)
	for _, s := range w.steps {
		if strings.HasPrefix(s.Text, "ConfirmLeader") {
			longest[s.Node] = max(longest[s.Node], s.At-s.Sent)
		}
	}
	if longest["n3"] < mostSlow/2 || longest["n2"] > 2*time.Millisecond {
		t.Errorf("the longest took %v", longest)
	}
}
