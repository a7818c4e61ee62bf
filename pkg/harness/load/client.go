package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	backoffMin   = 5 * time.Millisecond
	backoffMax   = 100 * time.Millisecond
	maxRedirects = 3 // in a row; two nodes that each take the other for the leader must not be asked in a spin
)

// client is one client: a session, a connection pool, and one operation at a time.
type client struct {
	options   Options
	endpoints Endpoints
	http      *http.Client
	rand      *rand.Rand // for pauses and the first node to try; steps come from the generator

	number      int
	incarnation int
	session     string
	seq         uint64
	values      int               // made so far by this incarnation
	revisions   map[string]uint64 // as last seen
	leader      string            // the node that took the last write
	pinned      string            // speak to this node alone; "" = to any
}

func newClient(o Options, endpoints Endpoints, number int) *client {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 2,
		DisableCompression:  true,
		MaxConnsPerHost:     8,
	}
	return &client{
		options:   o,
		endpoints: endpoints,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rand:        clientRand(o.Seed, number, "client"),
		number:      number,
		incarnation: 1,
		revisions:   map[string]uint64{},
	}
}

func (c *client) name() string { return fmt.Sprintf("c%d.%d", c.number, c.incarnation) }

func (c *client) close() { c.http.CloseIdleConnections() }

// do carries out one step until it is answered, refused for good, or out of time.
func (c *client) do(ctx context.Context, s step) Operation {
	op := Operation{Client: c.name(), Kind: s.kind, Key: s.key, Call: Monotonic(), Outcome: Failed}
	c.fill(&op)
	begin, cancel := context.WithTimeout(ctx, c.options.Deadline)
	defer cancel()
	c.run(ctx, begin, &op)
	op.Return = Monotonic()
	if op.Outcome == Unknown {
		op.Return = Forever
		c.retire(op.Kind)
	}
	return op
}

// fill gives the operation its value, token or condition.
func (c *client) fill(op *Operation) {
	switch op.Kind {
	case Put, CAS, Append:
		c.values++
		op.Input = fmt.Sprintf("%s.%d", op.Client, c.values)
		if op.Kind == Append {
			op.Input += ";"
		}
	case Get:
		op.Stale = c.options.Stale
	}
	if op.Kind == CAS {
		op.Expect = c.revisions[op.Key]
	}
}

// run makes attempts until the operation's outcome is settled. None begins after begin's end; one under way
// then is not cut short, which would only make its outcome unknown.
func (c *client) run(ctx, begin context.Context, op *Operation) {
	target, redirects := c.first(op.Kind), 0
	for tries := 0; begin.Err() == nil; {
		if op.Kind.Write() && op.Session == "" && !c.options.NoSessions && !c.enter(begin, op) {
			return
		}
		if len(op.Attempts) == 0 {
			op.Call = Monotonic()
		}
		node, known := c.node(target)
		if !known {
			c.pause(begin, &tries)
			target = c.after(target)
			continue
		}
		reply, settled := c.try(ctx, op, node)
		if settled {
			return
		}
		if next, ok := reply.redirect(c.endpoints()); ok && c.pinned == "" && redirects < maxRedirects {
			target, redirects = next.ID, redirects+1
			continue
		}
		redirects = 0
		target = c.after(target)
		c.pause(begin, &tries)
	}
}

// try makes one attempt and says whether the operation is settled by it.
func (c *client) try(ctx context.Context, op *Operation, node Node) (answer, bool) {
	attemptCtx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	a, reply := attempt(attemptCtx, c.http, node, op.request())
	settled := false
	switch {
	case a.Outcome == Unknown:
		op.Outcome = Unknown
		settled = op.Kind.Write() && op.Session == "" || reply.fields.Error == "sequence_too_old"
	case answered(op.Kind, reply.status):
		a.Outcome = OK
		op.Outcome, settled = OK, true
		c.learn(op, node, reply)
	case reply.status == http.StatusGone:
		// The session is no more. Whatever its earlier attempts did stays unknown; else a new one may try.
		c.session = ""
		settled = op.Outcome == Unknown
		op.Session, op.Seq = "", 0
	case final(reply.status):
		settled = true
	}
	op.Attempts = append(op.Attempts, a)
	return reply, settled
}

// answered reports whether the status is the store's own answer to such an operation.
func answered(kind Kind, status int) bool {
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return true
	case http.StatusNotFound:
		return kind == Get || kind == Delete
	case http.StatusPreconditionFailed:
		return kind == CAS
	}
	return false
}

// final reports whether the same request would be refused again anywhere.
func final(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusPreconditionFailed,
		http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// learn notes what a successful answer says.
func (c *client) learn(op *Operation, node Node, a answer) {
	op.Revision = a.revision()
	op.Index, op.Term = a.fields.Index, a.fields.Term
	op.Replayed = a.header.Get("Session-Replayed") == "true"
	switch op.Kind {
	case Get:
		op.Found = a.status == http.StatusOK
		op.Index, op.Term = a.headerNumber("Raft-Index"), a.headerNumber("Raft-Term")
		if op.Found {
			op.Output = string(a.body)
		}
	case CAS:
		op.Swapped = a.status != http.StatusPreconditionFailed
	case Delete:
		op.Found = op.Revision != 0
	}
	if op.Kind == Delete {
		delete(c.revisions, op.Key)
	} else {
		c.revisions[op.Key] = op.Revision
	}
	if op.Kind.Write() {
		c.leader = node.ID
	}
}

// retire ends this incarnation: after an unknown write its session's last word is open for ever.
func (c *client) retire(kind Kind) {
	c.incarnation++
	c.values = 0
	if kind.Write() {
		c.session = ""
	}
}
