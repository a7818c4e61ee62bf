package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"whitewater/pkg/raft/protocol"
)

// client does one operation after another, each until it has an answer: after a time-out, a refusal to take it or a loss
// it asks again, at another node, for the same operation of its session.
type client struct {
	r       *run
	index   int
	rand    *rand.Rand
	leader  protocol.NodeID // as it believes
	session string
	number  uint64

	queue   []Request
	op      *Operation // under way
	began   time.Duration
	attempt int // of all; an answer to an earlier one still counts
}

func newClient(r *run, index int) *client {
	return &client{r: r, index: index, rand: stream(r.plan.Seed, "client", uint64(index))}
}

func (c *client) name() string { return fmt.Sprintf("c%d", c.index) }

// ask adds an operation.
func (c *client) ask(request Request) {
	c.queue = append(c.queue, request)
	c.next()
}

// idle reports whether all that was asked is answered.
func (c *client) idle() bool { return c.op == nil && len(c.queue) == 0 }

// next begins the next operation; before the first write it opens a session.
func (c *client) next() {
	if c.op != nil || len(c.queue) == 0 {
		return
	}
	c.r.operations++
	op := Operation{ID: c.r.operations, Client: c.index, Kind: Open}
	if request := c.queue[0]; c.session != "" || request.Kind == Get {
		c.queue = c.queue[1:]
		op.Kind, op.Key = request.Kind, fmt.Sprintf("k%d", request.Key)
		if op.Kind != Get {
			c.number++
			op.Session, op.Number = c.session, c.number
		}
		if op.Kind != Get && op.Kind != Delete {
			op.Value = fmt.Sprintf("%d.%d ", c.index, c.number)
		}
	}
	c.op, c.began = &op, c.r.now
	c.try(op)
}

// try sends the operation to a node.
func (c *client) try(op Operation) {
	s := c.choose()
	c.attempt++
	attempt, first := c.attempt, c.r.now == c.began
	c.r.tell(Asked, s.id, func() string { return askedText(c, op, first) })
	set := c.network()
	if c.rand.Float64() >= set.Loss {
		c.r.after(upTo(c.rand, set.Delay), func() {
			if !s.up {
				c.after(c.hop(set), attempt, func() { c.again(op, "") })
				return
			}
			s.now(s.life, func() {
				s.request(op, func(got reply) {
					if c.rand.Float64() >= set.Loss {
						c.r.after(upTo(c.rand, set.Delay), func() { c.take(op, attempt, s, got) })
					}
				})
			})
		})
	}
	c.after(c.patience(), attempt, func() {
		c.r.tell(Answered, "", func() string { return fmt.Sprintf("%s unknown #%d, no answer", c.name(), op.ID) })
		c.again(op, "")
	})
}

// network is what happens to the client's own messages.
func (c *client) network() Network {
	if c.r.network.core != nil {
		return Network{Delay: time.Millisecond}
	}
	return c.r.plan.Network
}

// patience is how long the client waits for an answer.
func (c *client) patience() time.Duration {
	if c.r.network.core != nil {
		return time.Second
	}
	return between(c.rand, time.Second, 4*time.Second)
}

// choose is the node to ask: whom the client takes for the leader, else any; once some are healed, one of those, unless
// they themselves follow another.
func (c *client) choose() *server {
	if s := c.r.byID[c.leader]; s != nil {
		return s
	}
	core := c.r.network.core
	for {
		s := c.r.servers[c.rand.IntN(len(c.r.servers))]
		if core == nil || core[s.id] {
			return s
		}
	}
}

// hop is how long a client waits before it asks elsewhere.
func (c *client) hop(set Network) time.Duration {
	return between(c.rand, 10*time.Millisecond, 100*time.Millisecond+set.Delay)
}

// after does something unless the attempt has ended by then.
func (c *client) after(d time.Duration, attempt int, do func()) {
	c.r.after(d, func() {
		if c.op != nil && c.attempt == attempt {
			do()
		}
	})
}

func (c *client) again(op Operation, leader protocol.NodeID) {
	c.leader = leader
	c.try(op)
}

// take takes in an answer, also a late one to an earlier attempt.
func (c *client) take(op Operation, attempt int, s *server, got reply) {
	if c.op == nil || c.op.ID != op.ID {
		return
	}
	if got.elsewhere || got.answer.Outcome == Unknown {
		if c.attempt == attempt {
			c.r.tell(Answered, s.id, func() string { return answeredText(c, op, got) })
			c.after(c.hop(c.network()), attempt, func() { c.again(op, got.leader) })
		}
		return
	}
	c.r.tell(Answered, s.id, func() string { return answeredText(c, op, got) })
	c.r.counts["operations"]++
	c.r.digest.add(op.ID, uint64(got.answer.Outcome), uint64(contentOf(got.value)), uint64(c.r.now))
	c.leader = s.id
	if op.Kind == Open {
		c.session = got.answer.Session
	} else {
		c.r.history.ended(c, op, got)
	}
	c.op = nil
	c.next()
}
