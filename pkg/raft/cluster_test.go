package raft

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
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
		Transport: endpoint{c.net, id}, Storage: c.disks[id], Snapshots: c.disks[id], StateMachine: c.machines[id],
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

	snapshots map[protocol.SnapshotMeta][]byte
	receiving protocol.SnapshotMeta
	received  []byte
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
		s := &d.saved
		s.HardState = b.HardState
		if !b.Install.IsZero() {
			s.Snapshot, s.Compacted, s.Entries = b.Install, b.Install.Position, nil
		}
		if b.Compact.Index > s.Compacted.Index {
			s.Entries = slices.Clone(s.Entries[b.Compact.Index-s.Compacted.Index:])
			s.Compacted = b.Compact
		}
		if len(b.Entries) > 0 {
			kept := b.Entries[0].Index - 1 - s.Compacted.Index
			s.Entries = append(s.Entries[:kept:kept], b.Entries...)
		}
	}
	return nil
}

// SaveSnapshot implements Snapshots.
func (d *disk) SaveSnapshot(at protocol.SnapshotMeta, write func(io.Writer) error) (protocol.SnapshotMeta, error) {
	var data bytes.Buffer
	if err := write(&data); err != nil {
		return protocol.SnapshotMeta{}, err
	}
	time.Sleep(5 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	meta := at
	meta.Size, meta.Checksum = int64(data.Len()), crc32.ChecksumIEEE(data.Bytes())
	d.keep(meta, data.Bytes())
	d.saved.Snapshot = meta
	return meta, nil
}

func (d *disk) keep(meta protocol.SnapshotMeta, data []byte) {
	if d.snapshots == nil {
		d.snapshots = map[protocol.SnapshotMeta][]byte{}
	}
	d.snapshots[meta] = data
}

// ReceiveSnapshot implements Snapshots.
func (d *disk) ReceiveSnapshot(meta protocol.SnapshotMeta, offset int64, data []byte) (int64, bool, error) {
	time.Sleep(time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.receiving != meta {
		d.receiving, d.received = meta, nil
	}
	if offset == int64(len(d.received)) {
		d.received = append(d.received, data...)
	}
	next := int64(len(d.received))
	if next < meta.Size {
		return next, false, nil
	}
	if crc32.ChecksumIEEE(d.received) != meta.Checksum {
		d.received = nil
		return 0, false, nil
	}
	d.keep(meta, d.received)
	return next, true, nil
}

// OpenSnapshot implements Snapshots.
func (d *disk) OpenSnapshot(meta protocol.SnapshotMeta) (SnapshotReader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, ok := d.snapshots[meta]
	if !ok {
		return nil, ErrNoSnapshot
	}
	return open{bytes.NewReader(data)}, nil
}

// open is a snapshot being read.
type open struct{ *bytes.Reader }

func (open) Close() error { return nil }

func (d *disk) state() protocol.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := d.saved
	state.Entries = slices.Clone(state.Entries)
	return state
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// machine is a StateMachine that remembers.
type machine struct {
	mu       sync.Mutex
	entries  []protocol.Entry
	restored int
	err      error
}

func (m *machine) Apply(_ context.Context, entries []protocol.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, entries...)
	return m.err
}

// Snapshot writes the entries themselves.
func (m *machine) Snapshot() (func(io.Writer) error, error) {
	m.mu.Lock()
	entries := m.entries[:len(m.entries):len(m.entries)]
	m.mu.Unlock()
	return func(w io.Writer) error { return json.NewEncoder(w).Encode(entries) }, nil
}

func (m *machine) Restore(_ context.Context, at protocol.Position, snapshot io.Reader) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = nil
	m.restored++
	if err := json.NewDecoder(snapshot).Decode(&m.entries); err != nil {
		return err
	}
	if last := m.entries[len(m.entries)-1]; last.Position() != at {
		return fmt.Errorf("a snapshot at %v ends with %v", at, last.Position())
	}
	return nil
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
