package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// chunk is what travels through a chain of toxics: bytes, or an end.
type chunk struct {
	data     []byte
	received time.Time
	end      end

	// On msgpack-rpc links a chunk is a frame, or a slice of one.
	begins bool   // the frame begins here: the decision about it is taken here
	call   uint32 // of a request: its entry in the table of calls, to be dropped with it; 0 none
}

// end is how a direction, or the whole connection, ends.
type end int

const (
	endNone   end = iota
	endStream     // of this direction, after the chunks before it
	endClose      // of the connection, at once
	endReset      // of the connection, at once, by a reset
)

// stage is one toxic at work on one direction of one connection. It holds chunks, reads no clock, waits for nothing.
type stage interface {
	// set gives it new attributes; they hold for what it holds already, too.
	set(now time.Time, a attributes)
	// push takes the next chunk. It owns the data from then on.
	push(now time.Time, c chunk)
	// pop returns the next chunk that may go on at now. If there is none, due is when to ask
	// again, zero for not before the next push or set.
	pop(now time.Time) (c chunk, ok bool, due time.Time)
	// drain takes out all that is held, in order, when the toxic is removed.
	drain() []chunk
	// held returns the bytes held.
	held() int
}

// chain is the toxics of one direction of one connection, in order.
type chain struct {
	slots   []slot
	out     []chunk // through all stages
	verdict end     // of the connection, by a stage: it overtakes everything
}

// slot is a toxic's place. The stage is nil while its toxicity spares this connection.
type slot struct {
	toxic *toxic
	stage stage
}

// site is where a chain works: what its decisions hang on.
type site struct {
	seed   uint64
	link   string
	dir    direction
	number uint64   // of the connection
	born   []*toxic // in force when it was accepted
}

// stood reports whether the connection was there before t.
func (s site) stood(t *toxic) bool {
	return !slices.ContainsFunc(s.born, func(b *toxic) bool { return b.id == t.id })
}

// rng returns a source of jitter for t here, from the seed.
func (s site) rng(t *toxic) *rand.Rand {
	key := decisionKey{purpose: "jitter", fault: t.name, link: s.link, dir: s.dir, n: s.number}
	return rand.New(rand.NewPCG(s.seed, uint64(draw(s.seed, key)*(1<<53))))
}

// active reports whether chunks have to pass through it at all.
func (c *chain) active() bool {
	return len(c.out) > 0 || slices.ContainsFunc(c.slots, func(s slot) bool { return s.stage != nil })
}

func (c *chain) held() int {
	n := 0
	for _, s := range c.slots {
		if s.stage != nil {
			n += s.stage.held()
		}
	}
	for _, o := range c.out {
		n += len(o.data)
	}
	return n
}

// sync makes the chain's stages those of toxics. Stages that stay keep what they hold; what a removed
// one held goes on at once. It returns the toxics newly at work.
func (c *chain) sync(now time.Time, toxics []*toxic, at site) (started []*toxic) {
	for i := len(c.slots) - 1; i >= 0; i-- { // from the end, so that the order of chunks is kept
		old := c.slots[i]
		j := slices.IndexFunc(toxics, func(t *toxic) bool { return t.id == old.toxic.id })
		if j >= 0 && toxics[j].spares(at) == (old.stage == nil) {
			continue
		}
		if old.stage != nil {
			c.pass(now, i+1, old.stage.drain())
		}
		c.slots = slices.Delete(c.slots, i, i+1)
	}
	next := make([]slot, 0, len(toxics))
	for _, t := range toxics {
		s := slot{toxic: t}
		i := slices.IndexFunc(c.slots, func(s slot) bool { return s.toxic.id == t.id })
		switch {
		case i >= 0 && c.slots[i].stage != nil:
			s.stage = c.slots[i].stage
			if c.slots[i].toxic != t {
				s.stage.set(now, t.attributes)
			}
		case i < 0 && !t.spares(at):
			s.stage = t.attributes.stage(now, t, at)
			started = append(started, t)
		}
		next = append(next, s)
	}
	c.slots = next
	return started
}

// pass gives chunks to the first stage at or after i, or lets them out.
func (c *chain) pass(now time.Time, i int, chunks []chunk) {
	if i := slices.IndexFunc(chunks, func(x chunk) bool { return x.end == endClose || x.end == endReset }); i >= 0 {
		c.verdict = chunks[i].end
		return
	}
	for ; i < len(c.slots); i++ {
		if s := c.slots[i].stage; s != nil {
			for _, x := range chunks {
				s.push(now, x)
			}
			return
		}
	}
	c.out = append(c.out, chunks...)
}

// push lets x in.
func (c *chain) push(now time.Time, x chunk) { c.pass(now, 0, []chunk{x}) }

// advance moves what may go on at now from stage to stage, and says when to ask again (zero: not before
// the next push or sync).
func (c *chain) advance(now time.Time) (due time.Time) {
	for i, s := range c.slots {
		for s.stage != nil && c.verdict == endNone {
			moved, ok, d := s.stage.pop(now)
			if !ok {
				due = earlier(due, d)
				break
			}
			c.pass(now, i+1, []chunk{moved})
		}
	}
	return due
}

// pop returns the next chunk that has come through at now, or else when to ask again, as advance does.
func (c *chain) pop(now time.Time) (x chunk, ok bool, due time.Time) {
	due = c.advance(now)
	if c.verdict != endNone {
		return chunk{end: c.verdict}, true, time.Time{}
	}
	if len(c.out) == 0 {
		return chunk{}, false, due
	}
	x, c.out = c.out[0], c.out[1:]
	return x, true, time.Time{}
}

// queue is a FIFO of chunks that knows its bytes.
type queue struct {
	chunks []chunk
	bytes  int
}

func (q *queue) put(c chunk) {
	q.chunks = append(q.chunks, c)
	q.bytes += len(c.data)
}

func (q *queue) take() chunk {
	c := q.chunks[0]
	q.chunks = q.chunks[1:]
	q.bytes -= len(c.data)
	return c
}

func (q *queue) drain() []chunk {
	all := q.chunks
	*q = queue{}
	return all
}

func (q *queue) held() int { return q.bytes }
