package sim

import (
	"time"
)

// Plan is all that happens to a cluster from outside. What it leaves open (the fates of messages, latencies, election
// time-outs) is drawn from Seed, for each link, disk and node apart, so that a plan with less in it changes little else.
type Plan struct {
	Seed     uint64
	Nodes    int // the voters at the beginning
	Spares   int // nodes that may be added
	Duration time.Duration
	Tuning   Tuning
	Network  Network
	Disk     Disk
	Clients  int
	Requests []Request // ascending by At
	Faults   []Fault   // ascending by At
	Core     uint64    // from this the majority is drawn that is healed at the end
	Broken   bool      // what is not of the core keeps some of its links to it; else it has none
}

// Tuning is how the nodes are configured. Zero fields mean Raft's defaults.
type Tuning struct {
	SnapshotEntries int // entries between two snapshots
	SnapshotKeep    int // entries kept below one; negative: none
	ChunkBytes      int
	SegmentBytes    int64
	MaxBatch        int
	MaxInflight     int
	MaxPendingBytes int
	SnapshotSenders int           // followers that are sent a snapshot at a time
	ApplyLatency    time.Duration // the most that a batch waits for the state machine
	ApplyBatch      int           // entries that it gets at a time
	LeaseReads      bool
	DisablePreVote  bool // with stickiness and check-quorum
}

// Network is what happens to messages at all times.
type Network struct {
	Loss      float64       // the share of messages that is lost
	Duplicate float64       // the share that arrives twice
	Delay     time.Duration // the most that a message is under way; half of it on average
	Late      float64       // the share that is under way for up to twice the time-out of a call
}

// Disk is how long syncs take.
type Disk struct {
	Latency time.Duration // the most for one
	Stall   float64       // the share that takes up to a second
}

// Request is one operation that a client begins once it has ended those before.
type Request struct {
	At     time.Duration
	Client int
	Kind   OperationKind
	Key    int
}

// FaultKind names what goes wrong, or what an operator does.
type FaultKind string

// The faults. Those with a duration end by themselves.
const (
	Kill      FaultKind = "kill"       // the process dies; its page cache lives on. For: until it is started again
	Power     FaultKind = "power"      // as Kill, and what was not synced is lost in one of several ways
	FailSync  FaultKind = "fail-sync"  // the next sync fails and its bytes are gone; the node is started again after For
	StallDisk FaultKind = "stall-disk" // no write that begins ends
	Pause     FaultKind = "pause"      // the process stands still; what reaches it waits
	Cut       FaultKind = "cut"        // Target and Other exchange nothing
	OneWay    FaultKind = "one-way"    // nothing of Target's reaches Other
	Isolate   FaultKind = "isolate"    // Target exchanges nothing with anybody
	Deafen    FaultKind = "deafen"     // no request reaches Target; its own pass
	Split     FaultKind = "split"      // two sides, drawn from Pick
	Bridge    FaultKind = "bridge"     // two sides that share Target alone
	Slow      FaultKind = "slow"       // messages to and from Target take up to a second
	Snapshot  FaultKind = "snapshot"   // Target takes one
	Transfer  FaultKind = "transfer"   // the leader hands over to Other
	Members   FaultKind = "members"    // the leader changes the members, as Pick draws
	Remove    FaultKind = "remove"     // the leader removes Other from the members
	Flip      FaultKind = "flip"       // Target starts over a log with one bit flipped, where a majority of others remains
	Wipe      FaultKind = "wipe"       // Target loses its disk, where a majority of others remains, and is added again
)

// Fault is one thing that happens to a cluster.
type Fault struct {
	At     time.Duration
	For    time.Duration
	Kind   FaultKind
	Target Target
	Other  Target
	Step   int    // Kill, Power: so many changes of Target's disk later, at the latest after 300 ms or For
	Pick   uint64 // what is left to draw
}

// Target says which node is meant, at the moment when it happens.
type Target struct {
	Leader bool // the leader, where there is one
	Node   int  // else this one, counted from 0, of all nodes
}
