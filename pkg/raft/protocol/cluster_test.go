package protocol

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// cluster runs nodes under one seed and one virtual clock: every step is an event with a due time. Its network
// loses, delays, doubles and reorders; its disks finish late; nodes crash and come back with what was durable.
type cluster struct {
	t      testing.TB
	seed   uint64
	rand   *rand.Rand
	now    time.Time
	queue  []event
	seq    int
	nodes  map[NodeID]*server
	ids    []NodeID
	faults faults

	founders []NodeID // the members at the beginning; the others join
	wiped    NodeID   // lost its disk and is still a member under its old directory

	leaders   map[Term]NodeID   // ElectionSafety
	committed map[Index]Entry   // StateMachineSafety
	votes     map[string]NodeID // by node and term, over crashes
	reads     map[uint64]readCheck
	snapshots map[Position][]uint32
	restores  int
	changes   int // of members, begun
	readID    uint64
	readsDone int

	rejections int       // failed consistency checks answered
	trace      io.Writer // is told every output; nil: nobody is
}

type faults struct {
	loss, dup float64
	delay     time.Duration // most, per message
	disk      time.Duration // most, per batch
	cut       map[[2]NodeID]bool
	deaf      NodeID // no request reaches it; its own, and the replies to them, pass
}

type event struct {
	due time.Time
	seq int
	do  func()
}

type readCheck struct {
	node  NodeID
	floor Index // committed somewhere when the read began
}

// server is a node and its disk. life tells incarnations apart.
type server struct {
	*Node
	life    int
	armed   int // counts the timers that were set: only the latest are good
	up      bool
	durable State
	waiting []Message // for a batch to be durable
	unsaved []Persist
	writing bool

	machine   []uint32 // checksums of the entries applied
	receiving SnapshotMeta
	received  int64

	wipes int  // directories lost so far
	joins bool // it waits to be added
}

func newTestNode(t testing.TB, id NodeID, size int, change func(*Options)) *Node {
	t.Helper()
	opts := Options{ID: id, Members: memberIDs(size), Rand: rand.New(rand.NewPCG(1, uint64(len(id))))}
	if change != nil {
		change(&opts)
	}
	n, err := New(opts, State{}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func memberIDs(size int) []NodeID {
	var ids []NodeID
	for i := range size {
		ids = append(ids, NodeID(fmt.Sprintf("n%d", i+1)))
	}
	return ids
}

func newCluster(t testing.TB, seed uint64, size int, change func(*Options)) *cluster {
	return newGrowingCluster(t, seed, size, 0, change)
}

// newGrowingCluster has spare nodes that may be added.
func newGrowingCluster(t testing.TB, seed uint64, size, spares int, change func(*Options)) *cluster {
	c := &cluster{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(0, 0),
		nodes: make(map[NodeID]*server), ids: memberIDs(size + spares), founders: memberIDs(size),
		leaders: make(map[Term]NodeID), committed: make(map[Index]Entry),
		votes: make(map[string]NodeID), reads: make(map[uint64]readCheck),
		snapshots: make(map[Position][]uint32),
		faults:    faults{delay: 2 * time.Millisecond, disk: 2 * time.Millisecond, cut: make(map[[2]NodeID]bool)},
	}
	for _, id := range c.ids {
		c.nodes[id] = &server{joins: !slices.Contains(c.founders, id)}
		c.start(id, change)
	}
	return c
}

func (c *cluster) start(id NodeID, change func(*Options)) {
	s := c.nodes[id]
	opts := Options{ID: id, Rand: rand.New(rand.NewPCG(c.rand.Uint64(), 1)), Identity: Identity{Directory: s.directory(id), Address: "at " + string(id)}}
	if !s.joins {
		opts.Members = c.founders
	}
	if change != nil {
		change(&opts)
	}
	state := s.durable
	state.Entries = slices.Clone(state.Entries)
	s.machine, s.received, s.receiving = nil, 0, SnapshotMeta{}
	n, err := New(opts, state, c.now)
	if err != nil {
		c.fail("start %s: %v", id, err)
	}
	s.Node, s.up, s.waiting, s.unsaved, s.writing = n, true, nil, nil, false
	s.life++
	c.apply(id)
	c.arm(id)
}

func (c *cluster) crash(id NodeID) {
	s := c.nodes[id]
	s.up = false
	s.life++
	maps.DeleteFunc(c.reads, func(_ uint64, r readCheck) bool { return r.node == id })
	for _, other := range c.ids {
		c.later(time.Millisecond, func() { c.input(other, func(n *Node) Output { return n.ConnectionLost(c.now, id) }) })
	}
}

func (c *cluster) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d at %v: %s", c.seed, c.now.Sub(time.Unix(0, 0)), fmt.Sprintf(format, args...))
}

func (c *cluster) later(d time.Duration, do func()) {
	c.seq++
	c.queue = append(c.queue, event{c.now.Add(d), c.seq, do})
}

// upTo is a random time up to most.
func (c *cluster) upTo(most time.Duration) time.Duration {
	return time.Duration(c.rand.Int64N(int64(most) + 1))
}

// run lets d pass.
func (c *cluster) run(d time.Duration) { c.runUntil(d, func() bool { return false }) }

// runUntil lets time pass until done or d is over, and reports whether done came true.
func (c *cluster) runUntil(d time.Duration, done func() bool) bool {
	end := c.now.Add(d)
	for !done() {
		i := c.earliest()
		if i < 0 || c.queue[i].due.After(end) {
			c.now = end
			return done()
		}
		next := c.queue[i]
		c.queue = slices.Delete(c.queue, i, i+1)
		c.now = next.due
		next.do()
	}
	return true
}

// earliest is the place of the next event; -1 if there is none.
func (c *cluster) earliest() int {
	earliest := -1
	for i, e := range c.queue {
		if earliest < 0 || cmp.Or(e.due.Compare(c.queue[earliest].due), cmp.Compare(e.seq, c.queue[earliest].seq)) < 0 {
			earliest = i
		}
	}
	return earliest
}

// arm schedules the next tick and the next heartbeats of a node.
func (c *cluster) arm(id NodeID) {
	s := c.nodes[id]
	s.armed++
	armed, due := s.armed, s.Deadline()
	c.later(max(0, due.Sub(c.now)), func() {
		if s.armed == armed {
			c.input(id, func(n *Node) Output { return n.Tick(c.now) })
		}
	})
	for _, peer := range c.ids {
		if due := s.ReplicateDeadline(peer); !due.IsZero() {
			c.later(max(0, due.Sub(c.now)), func() {
				if s.armed == armed {
					c.input(id, func(n *Node) Output { return n.Replicate(c.now, peer) })
				}
			})
		}
	}
}

// input gives one node one input, checks the step, and carries out what comes of it.
func (c *cluster) input(id NodeID, give func(*Node) Output) {
	s := c.nodes[id]
	if !s.up {
		return
	}
	before := s.Checkpoint()
	out := give(s.Node)
	if errors.Is(out.Err, ErrForgotten) {
		c.crash(id)
		return
	}
	if err := cmp.Or(s.Check(before), out.Err); err != nil {
		c.fail("%s: %v", id, err)
	}
	c.carryOut(id, out)
	if s.role == Leader {
		for _, peer := range c.ids {
			more := s.Replicate(c.now, peer)
			c.carryOut(id, more)
		}
	}
	c.apply(id)
	c.arm(id)
}

func (c *cluster) carryOut(id NodeID, out Output) {
	s := c.nodes[id]
	if c.trace != nil {
		fmt.Fprintf(c.trace, "%v %s %+v %+v %+v ", c.now, id, out.Persist, out.Transfer, out.Change)
		fmt.Fprintf(c.trace, "%+v %+v %+v %+v %v\n", out.Send, out.SendAfterPersist, out.Reads, out.Events, out.Err)
	}
	for _, e := range out.Events {
		c.observe(id, e)
	}
	for _, r := range out.Reads {
		if check := c.reads[r.ID]; r.Err == nil {
			c.readsDone++
			if r.Index < check.floor {
				c.fail("%s: read got index %d after %d was committed", id, r.Index, check.floor)
			}
		}
		delete(c.reads, r.ID)
	}
	for _, chunk := range out.Chunks {
		c.storeChunk(id, chunk)
	}
	s.waiting = append(s.waiting, out.SendAfterPersist...)
	if out.Persist != nil {
		s.unsaved = append(s.unsaved, *out.Persist)
		c.write(id)
	}
	for _, m := range out.Send {
		c.send(m)
	}
}

// write starts one disk write of all that has gathered, unless one is under way.
func (c *cluster) write(id NodeID) {
	s := c.nodes[id]
	if s.writing || len(s.unsaved) == 0 {
		return
	}
	s.writing = true
	life, batches := s.life, s.unsaved
	s.unsaved = nil
	c.later(c.upTo(c.faults.disk), func() {
		if s.life != life {
			return
		}
		s.writing = false
		for _, p := range batches {
			s.save(p)
		}
		number := batches[len(batches)-1].Number
		c.input(id, func(n *Node) Output { return n.Persisted(c.now, number) })
		s.waiting = slices.DeleteFunc(s.waiting, func(m Message) bool {
			if m.After <= number {
				c.send(m)
			}
			return m.After <= number
		})
		c.write(id)
	})
}

// save is what a batch leaves on disk.
func (s *server) save(p Persist) {
	d := &s.durable
	d.HardState = p.HardState
	if !p.Install.IsZero() {
		d.Snapshot, d.Compacted, d.Entries = p.Install, p.Install.Position, nil
	}
	if p.Compact.Index > d.Compacted.Index {
		d.Entries = slices.Clone(d.Entries[p.Compact.Index-d.Compacted.Index:])
		d.Compacted = p.Compact
	}
	if len(p.Entries) > 0 {
		kept := p.Entries[0].Index - 1 - d.Compacted.Index
		d.Entries = append(d.Entries[:kept:kept], p.Entries...)
	}
}

func (c *cluster) observe(id NodeID, e Event) {
	switch e := e.(type) {
	case RoleChanged:
		if e.To != Leader {
			return
		}
		if other, ok := c.leaders[e.Term]; ok && other != id {
			c.fail("ElectionSafety: %s and %s both lead term %d", other, id, e.Term)
		}
		c.leaders[e.Term] = id
		for index, entry := range c.committed {
			if term, _ := c.nodes[id].log.term(index); index > c.nodes[id].log.compacted.Index && term != entry.Term {
				c.fail("LeaderCompleteness: %s leads term %d without %v", id, e.Term, entry.Position())
			}
		}
	case VoteCast:
		key := fmt.Sprintf("%s/%d", c.nodes[id].directory(id), e.Term)
		if other, ok := c.votes[key]; ok && other != e.Candidate {
			c.fail("ElectionSafety: %s voted for %s and %s in term %d", id, other, e.Candidate, e.Term)
		}
		c.votes[key] = e.Candidate
	case EntriesCommitted:
		for _, entry := range e.Entries {
			if other, ok := c.committed[entry.Index]; ok && other.Checksum() != entry.Checksum() {
				c.fail("StateMachineSafety: %s committed %v, another node %v", id, entry.Position(), other.Position())
			}
			c.committed[entry.Index] = entry
		}
	}
}

// send puts a message on the network. A request that is lost fails at its sender after a while.
func (c *cluster) send(m Message) {
	sender := c.nodes[m.From]
	life, ticket := sender.life, m.Ticket
	request := isRequest(m.Body)
	if reply, ok := m.Body.(InstallSnapshotReply); ok && reply.Installed && sender.durable.Snapshot.Index < sender.snapshot.Index {
		c.fail("%s acknowledges a snapshot at %d that is not on its disk", m.From, sender.snapshot.Index)
	}
	if reply, ok := m.Body.(AppendEntriesReply); ok && reply.ConflictIndex > 0 {
		c.rejections++
	}
	if snapshot, ok := m.Body.(InstallSnapshotRequest); ok {
		end := min(snapshot.Offset+chunkSize, snapshotSize)
		snapshot.Data, snapshot.Done = make([]byte, end-snapshot.Offset), end == snapshotSize
		m.Body = snapshot
	}
	if request {
		if a, ok := m.Body.(AppendEntriesRequest); ok && len(a.Entries) == 0 {
			sender.HeartbeatWritten(c.now, m.To, m.Ticket)
		}
		c.later(500*time.Millisecond, func() {
			if sender.life == life {
				c.input(m.From, func(n *Node) Output { return n.Failed(c.now, m.To, ticket) })
			}
		})
		m.Ticket |= uint64(life) << 32 // on the network it names who waits for the reply: this incarnation
	}
	copies := 1
	if c.rand.Float64() < c.faults.dup {
		copies = 2
	}
	receiver := c.nodes[m.To]
	for range copies {
		if c.faults.cut[[2]NodeID{m.From, m.To}] || request && m.To == c.faults.deaf || c.rand.Float64() < c.faults.loss {
			continue
		}
		c.later(c.upTo(c.faults.delay), func() {
			m := m
			if !request {
				if receiver.life != int(m.Ticket>>32) {
					return
				}
				m.Ticket &= 1<<32 - 1
			}
			c.input(m.To, func(n *Node) Output { return n.Receive(c.now, m) })
			if reply, ok := m.Body.(AppendEntriesReply); ok && reply.Term > receiver.hard.Term {
				c.fail("%s was shown term %d and stays in %d", m.To, reply.Term, receiver.hard.Term) // §5.1
			}
		})
	}
}

func isRequest(b Body) bool {
	switch b.(type) {
	case AppendEntriesRequest, RequestVoteRequest, ConfirmLeaderRequest, ReadIndexRequest, InstallSnapshotRequest, TimeoutNowRequest:
		return true
	}
	return false
}

// leader is the live leader of the highest term; empty if there is none.
func (c *cluster) leader() NodeID {
	var leader NodeID
	var term Term
	for _, id := range c.ids {
		if s := c.nodes[id]; s.up && s.role == Leader && s.hard.Term > term {
			leader, term = id, s.hard.Term
		}
	}
	return leader
}

func (c *cluster) propose(id NodeID, data string) {
	c.input(id, func(n *Node) Output {
		_, out, _ := n.Propose(c.now, []byte(data))
		return out
	})
}

func (c *cluster) read(id NodeID) {
	c.readID++
	floor := Index(0)
	for index := range c.committed {
		floor = max(floor, index)
	}
	c.reads[c.readID] = readCheck{id, floor}
	c.input(id, func(n *Node) Output { return n.Read(c.now, c.readID) })
}

// isolate severs, or mends, every link of a node.
func (c *cluster) isolate(id NodeID, severed bool) {
	for _, other := range c.ids {
		c.faults.cut[[2]NodeID{id, other}] = severed
		c.faults.cut[[2]NodeID{other, id}] = severed
	}
}

// awaitLeader lets time pass until a live node other than not leads.
func (c *cluster) awaitLeader(d time.Duration, not NodeID) NodeID {
	c.t.Helper()
	leads := func() bool { leader := c.leader(); return leader != "" && leader != not }
	if !c.runUntil(d, leads) {
		c.fail("no leader within %v", d)
	}
	return c.leader()
}

// awaitCommit lets time pass until every live member has committed the same, non-empty log to its end, and no change of
// members is under way.
func (c *cluster) awaitCommit(d time.Duration) {
	c.t.Helper()
	ok := c.runUntil(d, func() bool {
		leader := c.leader()
		if leader == "" || c.nodes[leader].config().Changing() {
			return false
		}
		last := c.nodes[leader].log.last().Index
		for _, id := range c.nodes[leader].config().IDs() {
			s := c.nodes[id]
			if s.up && (s.commitIndex != last || s.log.last().Index != last) {
				return false
			}
		}
		return last > 0
	})
	if !ok {
		for _, id := range c.ids {
			c.t.Logf("%s (up %v, wiped %d): %+v", id, c.nodes[id].up, c.nodes[id].wipes, c.nodes[id].Status())
		}
		c.fail("no agreement within %v", d)
	}
}
