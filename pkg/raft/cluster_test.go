package raft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"whitewater/pkg/raft/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is replicas in one synctest bubble: its clock is virtual, its network and disks are in memory.
type cluster struct {
	t        *testing.T
	ids      []protocol.NodeID
	change   func(*Options)
	replicas map[protocol.NodeID]*Replica
	disks    map[protocol.NodeID]*disk
	machines map[protocol.NodeID]*machine
	net      *network
}

// run runs test in a bubble of its own, with a cluster of size that is killed at the end.
func run(t *testing.T, size int, change func(*Options), test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			t: t, change: change,
			replicas: map[protocol.NodeID]*Replica{}, disks: map[protocol.NodeID]*disk{},
			machines: map[protocol.NodeID]*machine{}, net: newNetwork(),
		}
		for i := range size {
			c.ids = append(c.ids, protocol.NodeID(fmt.Sprintf("n%d", i+1)))
		}
		for _, id := range c.ids {
			c.disks[id] = &disk{}
			c.start(id)
		}
		test(c)
		for _, r := range c.replicas {
			r.Kill()
		}
	})
}

// start starts a replica from what its disk holds.
func (c *cluster) start(id protocol.NodeID) {
	c.t.Helper()
	c.machines[id] = &machine{}
	opts := Options{
		ID: id, Members: c.ids, State: c.disks[id].state(),
		Transport: endpoint{c.net, id}, Storage: c.disks[id], StateMachine: c.machines[id],
		Rand: newRand(uint64(id[1])),
	}
	if c.change != nil {
		c.change(&opts)
	}
	r, err := New(opts)
	if err != nil {
		c.t.Fatal(err)
	}
	c.replicas[id] = r
	c.net.attach(id, r)
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// crash kills a replica; its peers see its connections end.
func (c *cluster) crash(id protocol.NodeID) {
	c.net.attach(id, nil)
	c.replicas[id].Kill()
	for _, other := range c.ids {
		if other != id && !c.replicas[other].Killed() {
			c.replicas[other].ConnectionLost(id)
		}
	}
}

// pass lets virtual time pass.
func (c *cluster) pass(d time.Duration) { time.Sleep(d) }

// await lets virtual time pass until done, at most d.
func (c *cluster) await(what string, d time.Duration, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(d); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			for _, id := range c.ids {
				c.t.Logf("%s: %+v", id, c.replicas[id].Status())
			}
			c.t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// leader awaits one whom a majority follows.
func (c *cluster) leader() protocol.NodeID {
	c.t.Helper()
	var leader protocol.NodeID
	c.await("a leader that a majority follows", 10*time.Second, func() bool {
		followers := map[protocol.NodeID]int{}
		for _, id := range c.ids {
			if r := c.replicas[id]; !r.Killed() {
				s := r.Status()
				followers[s.Leader]++
				if followers[s.Leader] > len(c.ids)/2 && s.Leader != "" && !c.replicas[s.Leader].Killed() {
					leader = s.Leader
				}
			}
		}
		if leader == "" {
			return false
		}
		_, leads := c.replicas[leader].GetState()
		return leads
	})
	return leader
}

// propose appends a command at the leader and awaits it on every live node.
func (c *cluster) propose(command string) protocol.Index {
	c.t.Helper()
	index, _, ok := c.replicas[c.leader()].Start([]byte(command))
	if !ok {
		c.t.Fatalf("the leader refused %q", command)
	}
	c.awaitApplied(index)
	return index
}

func (c *cluster) awaitApplied(index protocol.Index) {
	c.t.Helper()
	c.await(fmt.Sprintf("index %d applied everywhere", index), 10*time.Second, func() bool {
		for _, id := range c.ids {
			if !c.replicas[id].Killed() && c.machines[id].last() < index {
				return false
			}
		}
		return true
	})
}

// disk is a Storage. Its fsync takes a millisecond.
type disk struct {
	mu      sync.Mutex
	saved   protocol.State
	err     error
	stuck   chan struct{} // not nil: Persist waits for it
	batches []int         // how many each Persist had
}

func (d *disk) Persist(batches ...protocol.Persist) error {
	d.mu.Lock()
	stuck := d.stuck
	d.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	time.Sleep(time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	d.batches = append(d.batches, len(batches))
	for _, b := range batches {
		d.saved.HardState = b.HardState
		if len(b.Entries) > 0 {
			kept := b.Entries[0].Index - 1
			d.saved.Entries = append(d.saved.Entries[:kept:kept], b.Entries...)
		}
	}
	return nil
}

func (d *disk) state() protocol.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return protocol.State{HardState: d.saved.HardState, Entries: slices.Clone(d.saved.Entries)}
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// machine is a StateMachine that remembers.
type machine struct {
	mu      sync.Mutex
	entries []protocol.Entry
	err     error
}

func (m *machine) Apply(_ context.Context, entries []protocol.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, entries...)
	return m.err
}

func (m *machine) last() protocol.Index {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 {
		return 0
	}
	return m.entries[len(m.entries)-1].Index
}

// commands are those applied so far, without the no-ops.
func (m *machine) commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var commands []string
	for _, e := range m.entries {
		if e.Kind == protocol.EntryCommand {
			commands = append(commands, string(e.Data))
		}
	}
	return commands
}

// network carries calls in half a millisecond each way. Calls over a cut link hang until their deadline.
type network struct {
	mu       sync.Mutex
	replicas map[protocol.NodeID]*Replica
	cut      map[[2]protocol.NodeID]bool
	sent     []sentCall
}

type sentCall struct {
	from, to protocol.NodeID
	body     protocol.Body
	at       time.Time
}

func newNetwork() *network {
	return &network{replicas: map[protocol.NodeID]*Replica{}, cut: map[[2]protocol.NodeID]bool{}}
}

func (n *network) attach(id protocol.NodeID, r *Replica) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replicas[id] = r
}

// isolate cuts, or mends, both directions between id and everybody.
func (n *network) isolate(id protocol.NodeID, severed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.replicas {
		n.cut[[2]protocol.NodeID{id, other}] = severed
		n.cut[[2]protocol.NodeID{other, id}] = severed
	}
}

// calls are those made so far.
func (n *network) calls() []sentCall {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent)
}

// endpoint is one node's way into the network.
type endpoint struct {
	net *network
	id  protocol.NodeID
}

var errRefused = errors.New("connection refused")

func (e endpoint) Call(ctx context.Context, to protocol.NodeID, request protocol.Body, written func()) (protocol.Body, error) {
	e.net.mu.Lock()
	receiver, severed := e.net.replicas[to], e.net.cut[[2]protocol.NodeID{e.id, to}]
	if receiver != nil {
		e.net.sent = append(e.net.sent, sentCall{e.id, to, request, time.Now()})
	}
	e.net.mu.Unlock()
	if receiver == nil {
		return nil, errRefused
	}
	written()
	if severed {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(500 * time.Microsecond)
	reply, err := receiver.Receive(e.id, request).Wait(ctx)
	time.Sleep(500 * time.Microsecond)
	return reply, err
}
