package sim

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// server is one node: its protocol, storage and state machine, and what a replica does with them in goroutines. What
// happens to one incarnation only is planned with later, and forgotten when that one ends.
type server struct {
	r     *run
	id    protocol.NodeID
	index int
	rand  *rand.Rand
	disk  *disk

	founders []protocol.NodeID
	joins    bool // it waits to be added
	broken   bool // it is not to be started

	life      int // of incarnations; tells them apart
	up        bool
	paused    bool
	inbox     []func() // what happened to it meanwhile
	directory string

	*protocol.Node
	before  protocol.Configuration // in force before the present input
	log     *storage.Log
	machine Machine
	wake    time.Duration // when the earliest planned look at the timers is due; 0: none is planned

	waiting  []protocol.Message // for a batch to be durable
	unsaved  []protocol.Persist
	writing  bool
	applying bool
	saving   bool             // a snapshot of its own
	chunks   []protocol.Chunk // of a leader's snapshot, for storage
	storing  bool
	pending  map[uint64]pending // requests taken in and not answered yet, by ticket
	calls    map[uint64]bool    // requests of its own that wait for an answer, by ticket
	writes   []proposed         // clients' operations proposed here
	reads    []*reading
	readID   uint64
	tickets  uint64
}

func newServer(r *run, index int, founders []protocol.NodeID) *server {
	s := &server{r: r, id: nodeID(index), index: index, rand: stream(r.plan.Seed, "node", uint64(index)), founders: founders}
	s.disk = newDisk(s)
	s.joins = index >= len(founders)
	return s
}

// later plans something that happens to this incarnation alone, once d has passed; to one that stands still, once it goes on.
func (s *server) later(d time.Duration, do func()) {
	life := s.life
	s.r.after(d, func() { s.now(life, do) })
}

func (s *server) now(life int, do func()) {
	switch {
	case s.life != life || !s.up:
	case s.paused:
		s.inbox = append(s.inbox, func() { s.now(life, do) })
	default:
		do()
	}
}

// start starts the process over what its disk holds.
func (s *server) start() {
	if s.up || s.broken || s.r.failure != nil {
		return
	}
	options := storage.Options{
		Dir: dataDir, ClusterID: "sim", NodeID: s.id, SegmentBytes: s.r.plan.Tuning.SegmentBytes,
		FS: s.disk.fs, Rand: s.disk.random(), Mutation: s.r.o.Mutation,
	}
	if !s.joins {
		options.Bootstrap = s.founders
	}
	log, found, err := storage.Open(options)
	if err != nil {
		s.notStarted(err)
		return
	}
	s.life++
	s.disk.rotten = false
	s.up, s.paused, s.inbox = true, false, nil
	s.log, s.machine, s.directory = log, s.r.o.Service.NewMachine(), found.DirectoryID
	s.waiting, s.unsaved, s.writing, s.applying, s.saving, s.storing, s.wake = nil, nil, false, false, false, false, 0
	s.chunks = nil
	s.pending, s.calls, s.reads, s.writes = map[uint64]pending{}, map[uint64]bool{}, nil, nil
	s.r.oracle.recovered(s, found.State)
	node, err := protocol.New(s.options(found), found.State, s.r.time())
	if err != nil {
		s.r.broken(StorageRecovers, "%s: %v", s.id, err)
		return
	}
	s.Node = node
	s.r.counts["starts"]++
	s.r.tell(Changed, s.id, func() string { return upText(found.State) })
	s.settle()
}

// notStarted sees to a process that could not open its directory: the fault of its disk, or of storage.
func (s *server) notStarted(err error) {
	if s.disk.faulted() {
		if s.disk.dead {
			s.r.counts["crashes while recovering"]++
			s.disk.lose(s.disk.crash)
		}
		s.disk.stopped()
		s.r.after(between(s.rand, 50*time.Millisecond, time.Second), s.start)
		return
	}
	if corrupt, ok := errors.AsType[*storage.CorruptError](err); ok && s.disk.rotten {
		s.r.counts["rot refused"]++
		s.r.tell(Changed, s.id, func() string { return "down, it refuses its log: " + corrupt.Err.Error() })
		s.r.faults.replace(s)
		s.start()
		return
	}
	s.r.broken(StorageRecovers, "%s cannot start: %v", s.id, err)
}

func (s *server) options(found storage.Recovered) protocol.Options {
	t := s.r.plan.Tuning
	return protocol.Options{
		ID: s.id, Members: found.Bootstrap, Rand: rand.New(rand.NewPCG(s.rand.Uint64(), 1)),
		Identity: protocol.Identity{Directory: found.DirectoryID, Address: "at " + string(s.id)},
		MaxBatch: t.MaxBatch, MaxInflight: t.MaxInflight, MaxPendingBytes: t.MaxPendingBytes, MaxSnapshotSenders: t.SnapshotSenders,
		SnapshotKeep: t.SnapshotKeep, LeaseReads: t.LeaseReads,
		DisablePreVote: t.DisablePreVote, DisableStickiness: t.DisablePreVote, DisableCheckQuorum: t.DisablePreVote,
		Mutation: s.r.o.Mutation,
	}
}

// stop ends the process. Its peers notice that its connections close.
func (s *server) stop(why string) {
	if !s.up {
		return
	}
	s.r.tell(Changed, s.id, func() string { return "down, " + why })
	s.r.counts["stops"]++
	s.up = false
	s.life++
	_ = s.log.Close() // of a log that has failed it tells that once more
	s.disk.stopped()
	s.r.oracle.stopped(s)
	for _, other := range s.r.servers {
		if other != s {
			s.r.network.hangUp(s, other)
		}
	}
}

// input gives the node one input, judges the step, and carries out what comes of it.
func (s *server) input(give func(now time.Time) protocol.Output) {
	s.step(give)
	if s.up && s.Role() == protocol.Leader {
		for _, peer := range s.r.servers {
			if peer != s && s.up {
				s.step(func(now time.Time) protocol.Output { return s.Replicate(now, peer.id) })
			}
		}
	}
	if s.up {
		s.settle()
	}
}

func (s *server) step(give func(now time.Time) protocol.Output) {
	if !s.up || s.r.failure != nil {
		return
	}
	s.r.acting = s.id
	before := s.Checkpoint()
	s.before = s.Configuration()
	out := give(s.r.time())
	s.r.oracle.stepped(s, before)
	if errors.Is(out.Err, protocol.ErrForgotten) {
		s.r.faults.forgotten(s)
		return
	}
	if out.Err != nil {
		s.r.broken(StateMachineSafety, "%s: %v", s.id, out.Err)
		return
	}
	s.carryOut(out)
}

// carryOut hands each part of an output to who carries it out.
func (s *server) carryOut(out protocol.Output) {
	for _, e := range out.Events {
		s.observe(e)
	}
	if out.Persist != nil {
		s.r.oracle.issued(s, *out.Persist)
		s.unsaved = append(s.unsaved, *out.Persist)
		s.write()
	}
	s.chunks = append(s.chunks, out.Chunks...)
	s.storeChunk()
	s.waiting = append(s.waiting, out.SendAfterPersist...)
	for _, m := range out.Send {
		s.send(m)
	}
	for _, read := range out.Reads {
		s.readEnded(read)
	}
	if out.Change != nil {
		s.r.counts["changes ended"]++
	}
}

// settle plans the next look at the timers, and applies what is committed.
func (s *server) settle() {
	due := s.Deadline()
	if s.Role() == protocol.Leader {
		for _, peer := range s.r.servers {
			if at := s.ReplicateDeadline(peer.id); !at.IsZero() && at.Before(due) {
				due = at
			}
		}
	}
	at := max(s.r.queue.now, due.Sub(time.Unix(0, 0)))
	if s.wake == 0 || at < s.wake {
		s.wake = at
		s.later(at-s.r.queue.now, func() { s.look(at) })
	}
	s.apply()
}

// look sees whether a timer has run out. Of several looks that were planned only the earliest counts.
func (s *server) look(planned time.Duration) {
	if s.wake != planned {
		return
	}
	s.wake = 0
	s.input(func(now time.Time) protocol.Output { return s.Tick(now) })
}

// send lets a message leave.
func (s *server) send(m protocol.Message) {
	s.r.oracle.sends(s, m)
	if isRequest(m.Body) {
		if request, ok := m.Body.(protocol.InstallSnapshotRequest); ok {
			filled, err := s.chunk(request)
			if err != nil {
				s.later(time.Millisecond, func() {
					s.input(func(now time.Time) protocol.Output { return s.Failed(now, m.To, m.Ticket) })
				})
				return
			}
			m.Body = filled
		}
		if isHeartbeat(m.Body) {
			s.HeartbeatWritten(s.r.time(), m.To, m.Ticket)
		}
	}
	s.r.network.send(s, m)
}

// release lets the messages go whose batch is durable.
func (s *server) release(number uint64) {
	free := func(m protocol.Message) bool { return m.After <= number }
	var going []protocol.Message
	for _, m := range s.waiting {
		if free(m) {
			going = append(going, m)
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, free)
	for _, m := range going {
		s.send(m)
	}
}

// apply plans that the state machine executes what is committed.
func (s *server) apply() {
	if s.applying {
		return
	}
	restore, entries := s.Committed(1)
	if restore.IsZero() && len(entries) == 0 {
		return
	}
	s.applying = true
	s.later(upTo(s.rand, cmp.Or(s.r.plan.Tuning.ApplyLatency, applyLatency)), func() {
		s.applying = false
		s.execute()
		if s.up && s.r.failure == nil {
			s.settle()
		}
	})
}

// applyLatency is the most that a batch waits for the state machine, unless the plan says so.
const applyLatency = 500 * time.Microsecond

// execute applies one batch, or restores a snapshot.
func (s *server) execute() {
	restore, entries := s.Committed(cmp.Or(s.r.plan.Tuning.ApplyBatch, applyBatch))
	switch {
	case !restore.IsZero():
		s.restore(restore)
	case len(entries) > 0:
		s.r.oracle.applies(s, entries)
		if err := s.machine.Apply(context.Background(), entries); err != nil {
			s.r.broken(StateMachineSafety, "%s applies %d to %d: %v", s.id, entries[0].Index, entries[len(entries)-1].Index, err)
			return
		}
		s.Applied(entries[len(entries)-1].Index)
		s.r.oracle.applied(s, entries)
		s.snapshotDue()
	}
	s.serve()
}

// applyBatch is how many entries the machine gets at a time, unless the plan says so.
const applyBatch = 64

func (s *server) restore(meta protocol.SnapshotMeta) {
	reader, err := s.log.OpenSnapshot(meta)
	if errors.Is(err, storage.ErrNoSnapshot) && s.Snapshot() != meta {
		return // a newer one took its place
	}
	if err != nil {
		s.storageFailed("open the snapshot at "+meta.Position.String(), err)
		return
	}
	defer reader.Close()
	if err := s.machine.Restore(context.Background(), meta.Position, io.NewSectionReader(reader, 0, meta.Size)); err != nil {
		s.r.broken(StorageRecovers, "%s restores the snapshot at %v: %v", s.id, meta.Position, err)
		return
	}
	s.Applied(meta.Index)
	s.r.counts["restores"]++
	s.r.oracle.restored(s, meta)
}
