package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft/protocol"
)

// Transport carries requests to peers.
type Transport interface {
	// Call sends request to peer to and returns its reply. It calls written once the whole request has
	// left this process, and never if it has not. It must end when ctx does. Calls run concurrently; a
	// reply's slices belong to the caller.
	Call(ctx context.Context, to protocol.NodeID, request protocol.Body, written func()) (protocol.Body, error)
}

// Storage makes batches durable.
type Storage interface {
	// Persist returns once the batches, and all before them, would survive a loss of power. It is called by
	// one goroutine. Its error is fatal: the replica stops.
	Persist(batches ...protocol.Persist) error
}

// StateMachine executes committed entries. One goroutine calls its methods, in order.
type StateMachine interface {
	// Apply executes entries: committed, in order, without a gap or a repetition within one process, of every
	// kind. It must end when ctx does; its error is fatal: the replica stops.
	Apply(ctx context.Context, entries []protocol.Entry) error
	// Snapshot returns at once a view of the state as it is after the last Apply. write is called later, in
	// another goroutine, while Apply goes on. An error of either is fatal.
	Snapshot() (write func(io.Writer) error, err error)
	// Restore replaces the whole state by what a snapshot holds that was taken, on some node, after the entry at
	// that position was applied. Its error is fatal.
	Restore(ctx context.Context, at protocol.Position, snapshot io.Reader) error
}

// Snapshots stores snapshots. Its methods run beside Storage.Persist and each other, for as long as they take, and
// must hold nobody up; but for ErrNoSnapshot their errors are fatal.
type Snapshots interface {
	// SaveSnapshot stores a snapshot of this node's own, whose data write writes, and returns what describes it once
	// it is durable: at, with the size and the checksum filled in.
	SaveSnapshot(at protocol.SnapshotMeta, write func(io.Writer) error) (protocol.SnapshotMeta, error)
	// ReceiveSnapshot takes a chunk of a leader's snapshot. Chunks that follow on what it holds of the same snapshot
	// are kept, others are not; next is where the following chunk must begin. complete: every byte is there,
	// agrees with meta's checksum and is durable, so that a batch with Install may name it.
	ReceiveSnapshot(meta protocol.SnapshotMeta, offset int64, data []byte) (next int64, complete bool, err error)
	// OpenSnapshot reads a stored snapshot, which stays readable until it is closed; ErrNoSnapshot if it is gone.
	OpenSnapshot(meta protocol.SnapshotMeta) (SnapshotReader, error)
}

// SnapshotReader reads one snapshot's data.
type SnapshotReader interface {
	io.ReaderAt
	io.Closer
}

// Options configure a Replica. A zero field means the default that it names.
type Options struct {
	ID protocol.NodeID // this node; required
	// Members are the voters of a new cluster, this node among them; empty for a node that joins one. A configuration in
	// the recovered state wins.
	Members  []protocol.NodeID
	Identity protocol.Identity // of this node: its data directory's id, and its address for the others
	State    protocol.State    // what storage recovered; zero: a new node

	Transport    Transport    // required, but for a cluster of one
	Storage      Storage      // required
	Snapshots    Snapshots    // nil: none are taken or received, and the log is never compacted
	StateMachine StateMachine // required
	Rand         *rand.Rand   // draws election time-outs; required, seeded differently on each node

	HeartbeatInterval time.Duration // 120 ms; below 100 ms more than ten a second may leave
	ElectionTimeout   time.Duration // T: time-outs are drawn from T to 2T; 600 ms
	RPCTimeout        time.Duration // of a call, beside its size at 256 KiB/s; 500 ms

	MaxBatch      int // entries in one AppendEntries; 1024
	MaxBatchBytes int // bytes of data in one AppendEntries; 1 MiB
	MaxInflight   int // AppendEntries with entries outstanding per peer; 4
	MaxPending    int // proposals that wait for a majority; 4096

	MaxInflightBytes int // bytes of entries outstanding per peer; 8 MiB
	MaxPendingBytes  int // of proposals that wait for a majority; 64 MiB
	MaxCommandBytes  int // in one command; 2 MiB

	SnapshotEntries    int // entries applied since the last snapshot that call for one; 10000; negative: only Snapshot takes any
	SnapshotKeep       int // entries kept below a snapshot for slow followers; 1000; negative: none
	SnapshotChunkBytes int // of data in one InstallSnapshot; 256 KiB
	MaxSnapshotSenders int // followers that are sent a snapshot at a time; 2

	DisablePreVote     bool // see protocol.Options, here and below
	DisableStickiness  bool
	DisableCheckQuorum bool
	DisableNoop        bool
	LeaseReads         bool // needs stickiness and check-quorum; see protocol.Options for what it assumes of clocks

	LeaderURL string // where clients reach this node when it leads
	// Configured is told each configuration that comes into force, the first before New returns, and once more when it is
	// committed; nil: nobody is. It is called in order, under the replica's lock: it must neither block nor call the replica.
	Configured func(protocol.Configuration)
	Events     EventSink // nil: events are not kept
	Logger     *slog.Logger
	Metrics    prometheus.Registerer // nil: none are exported
	Mutation   protocol.Mutation
}

// applyBatch is how many entries the state machine gets at a time: enough to gather work, few enough that
// a long backlog does not hold up a shutdown.
const applyBatch = 256

// bandwidth at which a call's size adds to its deadline, in bytes per second.
const bandwidth = 256 << 10

func (o Options) withDefaults() Options {
	if o.RPCTimeout == 0 {
		o.RPCTimeout = 500 * time.Millisecond
	}
	if o.MaxCommandBytes == 0 {
		o.MaxCommandBytes = 2 << 20
	}
	if o.SnapshotEntries == 0 {
		o.SnapshotEntries = 10000
	}
	if o.SnapshotChunkBytes == 0 {
		o.SnapshotChunkBytes = 256 << 10
	}
	if o.MaxPending == 0 {
		o.MaxPending = protocol.Options{}.WithDefaults().MaxPending
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = noEvents{}
	}
	return o
}

// Validate reports every fault of the options in one error.
func (o Options) Validate() error {
	faults := []error{o.protocolOptions().Validate()}
	fault := func(missing bool, format string, args ...any) {
		if missing {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(o.Storage == nil, "Storage is nil: give the replica a disk")
	fault(o.StateMachine == nil, "StateMachine is nil: give the replica something to apply commands to")
	fault(o.Transport == nil && len(o.Members) > 1, "Transport is nil: a cluster of %d needs one", len(o.Members))
	fault(o.SnapshotChunkBytes < 0, "SnapshotChunkBytes %d is negative: it must be above 0", o.SnapshotChunkBytes)
	fault(o.RPCTimeout < 0, "RPCTimeout %v is negative: it must be above 0", o.RPCTimeout)
	fault(o.MaxCommandBytes < 0, "MaxCommandBytes %d is negative: it must be above 0", o.MaxCommandBytes)
	return errors.Join(faults...)
}

func (o Options) protocolOptions() protocol.Options {
	return protocol.Options{
		ID: o.ID, Members: o.Members, Identity: o.Identity, Rand: o.Rand,
		HeartbeatInterval: o.HeartbeatInterval, ElectionTimeout: o.ElectionTimeout,
		MaxBatch: o.MaxBatch, MaxBatchBytes: o.MaxBatchBytes, MaxInflight: o.MaxInflight, MaxPending: o.MaxPending,
		MaxSnapshotSenders: o.MaxSnapshotSenders, SnapshotKeep: o.SnapshotKeep,
		DisablePreVote: o.DisablePreVote, DisableStickiness: o.DisableStickiness,
		DisableCheckQuorum: o.DisableCheckQuorum, DisableNoop: o.DisableNoop, LeaseReads: o.LeaseReads,
		MaxInflightBytes: o.MaxInflightBytes, MaxPendingBytes: o.MaxPendingBytes,
		LeaderURL: o.LeaderURL, Mutation: o.Mutation,
	}
}
