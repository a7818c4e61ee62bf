package raft

import (
	"context"
	"errors"
	"fmt"
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

// StateMachine executes committed entries.
type StateMachine interface {
	// Apply executes entries: committed, in order, without a gap or a repetition within one process, of every
	// kind. One goroutine calls it. It must end when ctx does; its error is fatal: the replica stops.
	Apply(ctx context.Context, entries []protocol.Entry) error
}

// Options configure a Replica. A zero field means the default that it names.
type Options struct {
	ID      protocol.NodeID   // this node; required
	Members []protocol.NodeID // the voters, this node among them; required
	State   protocol.State    // what storage recovered; zero: a new node

	Transport    Transport    // required, but for a cluster of one
	Storage      Storage      // required
	StateMachine StateMachine // required
	Rand         *rand.Rand   // draws election time-outs; required, seeded differently on each node

	HeartbeatInterval time.Duration // 120 ms; below 100 ms more than ten a second may leave
	ElectionTimeout   time.Duration // T: time-outs are drawn from T to 2T; 600 ms
	RPCTimeout        time.Duration // of a call, beside its size at 256 KiB/s; 500 ms

	MaxBatch        int // entries in one AppendEntries; 1024
	MaxBatchBytes   int // bytes of data in one AppendEntries; 1 MiB
	MaxInflight     int // AppendEntries with entries outstanding per peer; 4
	MaxPending      int // proposals that wait for a majority; 4096
	MaxCommandBytes int // in one command; 2 MiB

	DisablePreVote     bool // see protocol.Options, here and below
	DisableStickiness  bool
	DisableCheckQuorum bool
	DisableNoop        bool

	LeaderURL string    // where clients reach this node when it leads
	Events    EventSink // nil: events are not kept
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil: none are exported
	Mutation  protocol.Mutation
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
	fault(o.RPCTimeout < 0, "RPCTimeout %v is negative: it must be above 0", o.RPCTimeout)
	fault(o.MaxCommandBytes < 0, "MaxCommandBytes %d is negative: it must be above 0", o.MaxCommandBytes)
	return errors.Join(faults...)
}

func (o Options) protocolOptions() protocol.Options {
	return protocol.Options{
		ID: o.ID, Members: o.Members, Rand: o.Rand,
		HeartbeatInterval: o.HeartbeatInterval, ElectionTimeout: o.ElectionTimeout,
		MaxBatch: o.MaxBatch, MaxBatchBytes: o.MaxBatchBytes, MaxInflight: o.MaxInflight, MaxPending: o.MaxPending,
		DisablePreVote: o.DisablePreVote, DisableStickiness: o.DisableStickiness,
		DisableCheckQuorum: o.DisableCheckQuorum, DisableNoop: o.DisableNoop,
		LeaderURL: o.LeaderURL, Mutation: o.Mutation,
	}
}
