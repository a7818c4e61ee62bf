package raft

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/raft/protocol"
)

// Replica is one running member of a cluster. Its methods may be called from any goroutine.
type Replica struct {
	opts  Options
	start time.Time

	mu       sync.Mutex // guards all down to err
	node     *protocol.Node
	deadline time.Time           // the node's, as the election timer was last told
	unsaved  []protocol.Persist  // issued, for the disk writer
	held     []protocol.Message  // wait for their batch to be durable
	pending  map[uint64]*Pending // requests of peers, by ticket
	reads    map[uint64]chan protocol.ReadResult
	chunks   []protocol.Chunk             // of a leader's snapshot, for storage
	handed   protocol.Index               // the applier has been given what is up to here
	saving   bool                         // a snapshot of this node's own is being written
	wanted   bool                         // TakeSnapshot asked for one
	transfer chan protocol.TransferResult // who waits for a transfer to end; nil: nobody
	change   chan protocol.ChangeResult   // who waits for a change of members to end; nil: nobody
	tickets  uint64
	eventPos uint64 // of the newest event recorded
	stats    stats
	err      error

	heartbeat signal // the election deadline moved
	leading   signal // leadership began or ended
	diskWork  signal
	applyWork signal
	chunkWork signal
	peers     map[protocol.NodeID]*peer
	changes   chan Leadership
	snapshots chan struct{} // holds one while Snapshot is under way: the next one waits

	ctx    context.Context // ends with the replica
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Leadership tells who leads, as one node sees it.
type Leadership struct {
	Term   protocol.Term
	Leader protocol.NodeID // empty: not known
	Self   bool            // this node leads
}

// Status is a snapshot of a replica.
type Status = protocol.Status

// New starts a replica from what its storage recovered.
func New(opts Options) (*Replica, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("replica options: %w", err)
	}
	opts = opts.withDefaults()
	now := time.Now()
	node, err := protocol.New(opts.protocolOptions(), opts.State, now)
	if err != nil {
		return nil, fmt.Errorf("start replica %s: %w", opts.ID, err)
	}
	r := &Replica{
		opts: opts, start: now, node: node,
		pending: make(map[uint64]*Pending), reads: make(map[uint64]chan protocol.ReadResult),
		heartbeat: newSignal(), leading: newSignal(), diskWork: newSignal(), applyWork: newSignal(), chunkWork: newSignal(),
		peers: make(map[protocol.NodeID]*peer), changes: make(chan Leadership, 1), snapshots: make(chan struct{}, 1),
	}
	r.stats = newStats(now)
	if opts.Metrics != nil {
		if err := registerMetrics(opts.Metrics, r); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eventPos = opts.Events.Record(startEvent(node.Status()))
	r.eventPos = opts.Events.Record(configurationEvent(node.Status()))
	r.wg.Go(r.runElectionTimer)
	r.wg.Go(r.runDiskWriter)
	r.wg.Go(r.runApplier)
	r.wg.Go(r.runReceiver)
	r.wake()
	r.configureLocked(node.Status().Configuration)
	return r, nil
}

// Start is the lab's way in: it appends command if this node leads, and tells the index and term under which
// it will be committed if it is ever. Otherwise isLeader is false and nothing was appended.
func (r *Replica) Start(command []byte) (index protocol.Index, term protocol.Term, isLeader bool) {
	position, err := r.Propose(command)
	if err != nil {
		term, _ = r.GetState()
		return 0, term, false
	}
	return position.Index, position.Term, true
}

// Propose appends command to the log of a leader and returns its position at once. The command is committed
// when the state machine is given an entry of this very position; if another term's entry comes
// there, it is lost. The replica keeps command: the caller must not write to it again.
// Errors: ErrNotLeader, ErrOverloaded, ErrTooLarge, ErrStopped; in each case nothing was appended.
func (r *Replica) Propose(command []byte) (protocol.Position, error) {
	if len(command) > r.opts.MaxCommandBytes {
		r.count(func(s *stats) { s.proposals["too_large"]++ })
		return protocol.Position{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(command), r.opts.MaxCommandBytes)
	}
	var position protocol.Position
	var refusal error
	err := r.step(func(now time.Time) protocol.Output {
		var out protocol.Output
		position, out, refusal = r.node.Propose(now, command)
		r.stats.proposed(position, refusal, now)
		return out
	})
	if err != nil {
		return protocol.Position{}, err
	}
	return position, refusal
}

// ReadIndex begins a linearizable read (§8, thesis §6.4), on any node: once the state machine has applied the
// index that it returns, the read may be served from it. Errors: ErrNoLeader, ErrNotLeader when leadership was
// lost meanwhile, ErrStopped, the context's.
func (r *Replica) ReadIndex(ctx context.Context) (protocol.Index, error) {
	result := make(chan protocol.ReadResult, 1)
	began := time.Now()
	var id uint64
	err := r.step(func(now time.Time) protocol.Output {
		r.tickets++
		id = r.tickets
		r.reads[id] = result
		return r.node.Read(now, id)
	})
	if err != nil {
		return 0, err
	}
	select {
	case read := <-result:
		r.count(func(s *stats) { s.readEnded(read, time.Since(began)) })
		return read.Index, read.Err
	case <-ctx.Done():
		err = ctx.Err()
	case <-r.ctx.Done():
		err = ErrStopped
	}
	r.count(func(s *stats) {
		delete(r.reads, id)
		r.node.CancelRead(id)
		s.readEnded(protocol.ReadResult{Err: err}, time.Since(began))
	})
	return 0, err
}

// TransferLeadership hands this node's leadership to a member; empty: to the most caught up. It returns when this node
// leads no more, and takes no proposals meanwhile. Errors: ErrNotLeader, ErrTransferring, ErrTransferTarget,
// ErrTransferFailed when the target did not take over within an election time-out (this node leads on),
// ErrStopped, the context's (the transfer goes on).
func (r *Replica) TransferLeadership(ctx context.Context, to protocol.NodeID) error {
	result := make(chan protocol.TransferResult, 1)
	var refusal error
	err := r.step(func(now time.Time) protocol.Output {
		var out protocol.Output
		if out, refusal = r.node.Transfer(now, to); refusal == nil {
			r.transfer = result
		}
		return out
	})
	if err = cmp.Or(err, refusal); err != nil {
		return err
	}
	select {
	case ended := <-result:
		return ended.Err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return ErrStopped
	}
}

// GetState tells the current term and whether this node takes itself for its leader.
func (r *Replica) GetState() (protocol.Term, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.node.Term(), r.node.Role() == protocol.Leader
}

// Status is one consistent snapshot.
func (r *Replica) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.node.Status()
}

// Entries returns up to count durable entries from index from on. They are shared: do not write to them.
func (r *Replica) Entries(from protocol.Index, count int) []protocol.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.node.Entries(from, count)
}

// Leadership delivers changes of the known leader. It holds one change: a newer one replaces it.
func (r *Replica) Leadership() <-chan Leadership { return r.changes }

// Kill ends the replica and returns when all its goroutines have ended.
func (r *Replica) Kill() {
	r.mu.Lock() // no step is under way that could still start a goroutine
	r.cancel()
	r.mu.Unlock()
	r.wg.Wait()
	for _, p := range r.peers {
		p.closeSnapshot()
	}
}

// Killed reports whether the replica has ended or is about to.
func (r *Replica) Killed() bool { return r.ctx.Err() != nil }

// Done is closed when the replica ends, by Kill or by a fatal error.
func (r *Replica) Done() <-chan struct{} { return r.ctx.Done() }

// Err tells the fatal error that ended the replica; nil while it runs and after Kill.
func (r *Replica) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// fail ends the replica because of err. Only the first one counts.
func (r *Replica) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(err)
}

func (r *Replica) failLocked(err error) {
	if r.err == nil && r.ctx.Err() == nil {
		r.err = err
		r.opts.Logger.Error("replica stops", "err", err)
		r.cancel()
	}
}

func (r *Replica) count(change func(*stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

// step gives the protocol one input under the mutex and sees to what comes of it.
func (r *Replica) step(input func(now time.Time) protocol.Output) error {
	waited := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return ErrStopped
	}
	now := time.Now()
	r.stats.busy["lock"] += now.Sub(waited)
	r.absorb(now, input(now))
	if r.node.Role() == protocol.Leader {
		r.wakeReplicators() // for what the input has left to send
	}
	return nil
}

// absorb hands every part of an output to who carries it out. It waits for nothing.
func (r *Replica) absorb(now time.Time, out protocol.Output) {
	for _, e := range out.Events {
		r.observe(now, e)
	}
	if out.Err != nil {
		r.failLocked(out.Err)
		return
	}
	if out.Persist != nil {
		r.unsaved = append(r.unsaved, *out.Persist)
		r.diskWork.raise()
	}
	if len(out.Chunks) > 0 {
		r.chunks = append(r.chunks, out.Chunks...)
		r.chunkWork.raise()
	}
	if out.Transfer != nil && r.transfer != nil {
		r.transfer <- *out.Transfer
		r.transfer = nil
	}
	if out.Change != nil && r.change != nil {
		r.change <- *out.Change
		r.change = nil
	}
	r.held = append(r.held, out.SendAfterPersist...)
	for _, m := range out.Send {
		r.dispatch(m)
	}
	for _, read := range out.Reads {
		if result, ok := r.reads[read.ID]; ok {
			delete(r.reads, read.ID)
			result <- read
		}
	}
	r.wake()
}

// wake raises the signals of those for whom an output may have made work.
func (r *Replica) wake() {
	if deadline := r.node.Deadline(); !deadline.Equal(r.deadline) {
		r.deadline = deadline
		r.heartbeat.raise()
	}
	if restore, entries := r.node.Committed(1); !restore.IsZero() || len(entries) > 0 {
		r.applyWork.raise()
	}
}

// wakeReplicators lets the replicators look for work: something to send, a snapshot to let go of, their own end.
func (r *Replica) wakeReplicators() {
	for _, p := range r.peers {
		p.work.raise()
	}
}

// observe records one event of the protocol, counts it, and tells whom it concerns.
func (r *Replica) observe(now time.Time, e protocol.Event) {
	r.stats.observe(now, e)
	if record, ok := eventOf(e); ok {
		r.eventPos = r.opts.Events.Record(record)
	}
	switch e := e.(type) {
	case protocol.RoleChanged:
		if e.From == protocol.Leader || e.To == protocol.Leader {
			r.leading.raise()
			r.wakeReplicators()
		}
		r.opts.Logger.Info("changed role", "role", e.To.String(), "term", e.Term, "reason", string(e.Trigger))
	case protocol.LeaderChanged:
		r.publish(Leadership{Term: e.Term, Leader: e.Leader, Self: e.Leader == r.opts.ID})
	case protocol.ConfigurationChanged:
		r.opts.Logger.Info("members", "configuration", e.Configuration.String(), "index", e.Index, "committed", e.Committed)
		r.configureLocked(e.Configuration)
	case protocol.ProtocolViolated:
		r.opts.Logger.Error("peer broke the protocol", "peer", e.Peer, "what", e.What)
	}
}

// publish replaces an unread change by a newer one.
func (r *Replica) publish(change Leadership) {
	select {
	case <-r.changes:
	default:
	}
	r.changes <- change
}

// release lets the messages go whose batch is durable.
func (r *Replica) release(number uint64) {
	r.held = slices.DeleteFunc(r.held, func(m protocol.Message) bool {
		if m.After > number {
			return false
		}
		r.dispatch(m)
		return true
	})
}
