package protocol

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Options configure a Node. A zero field means the default that it names.
type Options struct {
	ID NodeID // this node; required
	// Members are the voters of a new cluster, this node among them; empty for a node that joins one and waits to be added.
	// Once the log or a snapshot holds a configuration that one is in force.
	Members  []NodeID
	Identity Identity // of this node

	// Rand draws election time-outs. Required: nodes that share a seed campaign together for ever.
	Rand *rand.Rand

	HeartbeatInterval time.Duration // least gap between heartbeats to one peer; 120 ms
	ElectionTimeout   time.Duration // T: time-outs are drawn from T to 2T; 600 ms

	MaxBatch      int // entries in one AppendEntries; 1024
	MaxBatchBytes int // bytes of data in one AppendEntries, unless one entry alone is larger; 1 MiB
	MaxInflight   int // AppendEntries with entries outstanding per peer; 4
	MaxPending    int // entries appended and not yet committed beyond which proposals are refused; 4096

	MaxInflightBytes int // bytes of data outstanding per peer; one request is always let out; 8 MiB
	MaxPendingBytes  int // the same bound as MaxPending in bytes of data; one proposal is always taken; 64 MiB

	MaxSnapshotSenders int // followers that are sent a snapshot at a time; 2
	SnapshotKeep       int // entries kept below a snapshot for slow followers; 1000; negative: none

	DisablePreVote     bool // campaign at once (§5.2) instead of asking first (thesis §9.6)
	DisableStickiness  bool // vote although a leader is alive (thesis §4.2.3)
	DisableCheckQuorum bool // lead on without hearing from a majority (thesis §6.2)
	DisableNoop        bool // lead without an entry of the own term; reads then wait for the first command

	// LeaseReads lets a leader serve reads while it holds a lease, without a round of confirmation; lease.go says what it
	// assumes of clocks. It needs stickiness and check-quorum.
	LeaseReads bool

	LeaderURL string // sent to followers for their clients; opaque to Raft

	Mutation Mutation // breaks a rule, in builds tagged mutants
}

// maxTimeout is far above any sensible time-out, and far below where its double would overflow.
const maxTimeout = 24 * time.Hour

// WithDefaults returns a copy in which zero fields hold their defaults.
func (o Options) WithDefaults() Options {
	setDefault(&o.HeartbeatInterval, 120*time.Millisecond)
	setDefault(&o.ElectionTimeout, 600*time.Millisecond)
	setDefault(&o.MaxBatch, 1024)
	setDefault(&o.MaxBatchBytes, 1<<20)
	setDefault(&o.MaxInflight, 4)
	setDefault(&o.MaxPending, 4096)
	setDefault(&o.MaxInflightBytes, 8<<20)
	setDefault(&o.MaxPendingBytes, 64<<20)
	setDefault(&o.MaxSnapshotSenders, 2)
	setDefault(&o.SnapshotKeep, 1000)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every fault of the options, with defaults filled in, in one error.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if o.ID == "" {
		fault("ID is empty: name this node")
	}
	if len(o.Members) > 0 && !slices.Contains(o.Members, o.ID) {
		fault("Members %q lack ID %q: list every voter, this node too, or none to join a cluster", o.Members, o.ID)
	}
	sorted := slices.Sorted(slices.Values(o.Members))
	if len(slices.Compact(sorted)) != len(o.Members) {
		fault("Members %q name a node twice: list each once", o.Members)
	}
	if o.Rand == nil {
		fault("Rand is nil: give each node a source with a seed of its own")
	}
	if o.HeartbeatInterval < 0 {
		fault("HeartbeatInterval %v is negative: it must be above 0", o.HeartbeatInterval)
	}
	if o.ElectionTimeout > maxTimeout {
		fault("ElectionTimeout %v must be at most %v: lower it", o.ElectionTimeout, maxTimeout)
	}
	if o.ElectionTimeout/3 < o.HeartbeatInterval {
		fault("ElectionTimeout %v must be at least 3 × HeartbeatInterval (%v): raise it to %v or lower the interval",
			o.ElectionTimeout, o.HeartbeatInterval, 3*o.HeartbeatInterval)
	}
	if o.LeaseReads && (o.DisableCheckQuorum || o.DisableStickiness) {
		fault("LeaseReads needs check-quorum and stickiness: enable them, or read by ReadIndex")
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"MaxBatch", o.MaxBatch},
		{"MaxBatchBytes", o.MaxBatchBytes},
		{"MaxInflight", o.MaxInflight},
		{"MaxPending", o.MaxPending},
		{"MaxInflightBytes", o.MaxInflightBytes},
		{"MaxPendingBytes", o.MaxPendingBytes},
		{"MaxSnapshotSenders", o.MaxSnapshotSenders},
	} {
		if limit.value < 1 {
			fault("%s %d must be at least 1", limit.name, limit.value)
		}
	}
	return errors.Join(faults...)
}
