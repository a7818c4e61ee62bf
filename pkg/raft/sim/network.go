package sim

import (
	"math/rand/v2"
	"time"

	"whitewater/pkg/raft/protocol"
)

// network carries messages, each on its own: they overtake one another, are lost, arrive twice or late. That is more than
// connections do, and all that Raft asks for. What is in force on a link is counted, since faults overlap.
type network struct {
	r     *run
	fates map[[2]protocol.NodeID]*rand.Rand
	cut   map[[2]protocol.NodeID]int // nothing passes from the first to the second
	deaf  map[protocol.NodeID]int    // no request reaches it
	slow  map[protocol.NodeID]int
	core  map[protocol.NodeID]bool // once it is healed, its links lose only what is cut
}

// callTimeout is when a request without an answer counts as failed.
const callTimeout = 500 * time.Millisecond

// mostSlow is how long messages to and from a slow node may take.
const mostSlow = time.Second

func newNetwork(r *run) network {
	return network{
		r: r, fates: map[[2]protocol.NodeID]*rand.Rand{}, cut: map[[2]protocol.NodeID]int{},
		deaf: map[protocol.NodeID]int{}, slow: map[protocol.NodeID]int{},
	}
}

// fate is where a link's draws come from.
func (n *network) fate(from, to *server) *rand.Rand {
	link := [2]protocol.NodeID{from.id, to.id}
	r := n.fates[link]
	if r == nil {
		r = stream(n.r.plan.Seed, "link", uint64(from.index)<<8|uint64(to.index))
		n.fates[link] = r
	}
	return r
}

// pending is a request that a node has taken in and not answered yet.
type pending struct {
	from    *server
	life    int    // of the sender, who alone waits for the answer
	ticket  uint64 // the sender's
	promise promise
}

// send puts a message on its way. An answer goes to the incarnation that asked.
func (n *network) send(s *server, m protocol.Message) {
	if !isRequest(m.Body) {
		p, ok := s.pending[m.Ticket]
		if !ok {
			return
		}
		delete(s.pending, m.Ticket)
		m.Ticket = p.ticket
		n.carry(s, p.from, p.life, m, p.promise)
		return
	}
	to := n.r.byID[m.To]
	if to == nil {
		return
	}
	life, ticket := s.life, m.Ticket
	s.calls[ticket] = true
	s.later(callTimeout, func() {
		if s.calls[ticket] {
			delete(s.calls, ticket)
			s.input(func(now time.Time) protocol.Output { return s.Failed(now, m.To, ticket) })
		}
	})
	n.carry(s, to, life, m, promiseOf(m))
}

// carry draws a message's fate. life is the sender's for a request, the receiver's for an answer.
func (n *network) carry(from, to *server, life int, m protocol.Message, p promise) {
	fate, set := n.fate(from, to), n.r.plan.Network
	delay := upTo(fate, set.Delay)
	lost := fate.Float64() < set.Loss
	copies := 1
	if fate.Float64() < set.Duplicate {
		copies = 2
	}
	if fate.Float64() < set.Late {
		delay = upTo(fate, 2*callTimeout)
	}
	if n.core[from.id] || n.core[to.id] {
		delay, lost, copies = min(delay, 2*time.Millisecond), false, 1
	}
	switch {
	case n.cut[[2]protocol.NodeID{from.id, to.id}] > 0, n.deaf[to.id] > 0 && isRequest(m.Body):
		lost = true
	case n.slow[from.id]+n.slow[to.id] > 0:
		delay = upTo(fate, mostSlow)
	}
	sent := n.r.now
	if lost {
		n.r.counts["messages lost"]++
		n.tell(Lost, sent, m, p)
		return
	}
	for range copies {
		n.r.after(delay, func() { n.arrive(from, to, life, sent, m, p) })
		delay += upTo(fate, 2*set.Delay)
	}
}

// arrive delivers one copy.
func (n *network) arrive(from, to *server, life int, sent time.Duration, m protocol.Message, p promise) {
	if !isRequest(m.Body) {
		to.now(life, func() {
			n.tell(Delivered, sent, m, p)
			delete(to.calls, m.Ticket)
			to.input(func(now time.Time) protocol.Output { return to.Receive(now, m) })
			n.r.oracle.answered(to, m)
		})
		return
	}
	to.now(to.life, func() {
		n.tell(Delivered, sent, m, p)
		to.tickets++
		to.pending[to.tickets] = pending{from, life, m.Ticket, p}
		m.Ticket = to.tickets
		before := to.Deadline()
		to.input(func(now time.Time) protocol.Output { return to.Receive(now, m) })
		if to.up && to.Deadline().After(before) {
			n.r.liveness.putOff(to, m)
		}
	})
}

// hangUp lets other notice that a process is gone.
func (n *network) hangUp(s, other *server) {
	life := other.life
	n.r.after(upTo(n.fate(s, other), 2*time.Millisecond), func() {
		if n.cut[[2]protocol.NodeID{s.id, other.id}] == 0 {
			other.now(life, func() {
				other.input(func(now time.Time) protocol.Output { return other.ConnectionLost(now, s.id) })
			})
		}
	})
}

// block stops, or lets pass again, all that goes from one node to another.
func (n *network) block(from, to protocol.NodeID, by int) { n.cut[[2]protocol.NodeID{from, to}] += by }

func (n *network) tell(kind StepKind, sent time.Duration, m protocol.Message, p promise) {
	if trace := n.r.o.Trace; trace != nil {
		trace(Step{At: n.r.now, Kind: kind, Node: m.To, From: m.From, Sent: sent, Text: messageText(m, p)})
	}
}
