package check

import (
	"time"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// Run is what is known of one scenario's run. Times are CLOCK_MONOTONIC nanoseconds.
type Run struct {
	Name  string
	Seed  uint64
	Nodes []string

	T                 time.Duration // election time-out, the lower end
	HeartbeatInterval time.Duration

	History []load.Operation
	Events  map[string][]observe.Event  // by node, over all its incarnations, in the order of the log
	Samples map[string][]observe.Sample // by node
	Proxy   []observe.Sample
	Faults  []Fault

	Start, End int64
	Logs       map[string]Log // by node: the durable log at the end
	Expect     Expectations
	Limits     Limits

	// Visualization is where linearizability leaves its picture when it fails; "" = nowhere.
	Visualization string
}

// Log is a node's final log, as /v1/log shows it: from the first entry that it still holds.
type Log struct {
	First   uint64     `json:"first"`
	Entries []LogEntry `json:"entries"` // of First, First+1, …
}

// at is the entry of an index, if the log holds it.
func (l Log) at(index uint64) (LogEntry, bool) {
	if index < l.First || index-l.First >= uint64(len(l.Entries)) {
		return LogEntry{}, false
	}
	return l.Entries[index-l.First], true
}

// LogEntry is one entry of a node's final log, as /v1/log shows it.
type LogEntry struct {
	Index    uint64 `json:"index"`
	Term     uint64 `json:"term"`
	Checksum uint32 `json:"checksum"`
}

// Expectations are the least that makes a run worth judging.
type Expectations struct {
	MinOK      map[load.Kind]int // operations that succeeded, per kind (final reads not counted)
	MinOKTotal int
}

// Limits bound the search for a linearization. Past them the verdict is unknown.
type Limits struct {
	Time        time.Duration // default 20s, for all keys together
	MemoryBytes uint64        // default 1 GiB of live heap
}

// Kinds of faults that the checks tell apart. Any other kind with links makes those links unsure:
// no check then counts on a call over them.
const (
	FaultPartition = "partition" // Links are cut
	FaultKill      = "kill"      // Nodes are down until To
	FaultPower     = "power"     // the same, and unsynced bytes are gone
	FaultRestart   = "restart"   // Nodes are down until To
	FaultPause     = "pause"     // Nodes stand still until To
)

// Directions of a cut.
const (
	DirectionBoth    = "both"    // "" too: requests and replies on the links vanish
	DirectionCall    = "call"    // the same: the caller cannot call, the callee's own links are whole
	DirectionPackets = "packets" // the caller's packets vanish: its requests, and its replies on the callee's link
)

// Fault is one fault as it was in force.
type Fault struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Target string   `json:"target,omitempty"` // as the scenario says it: "leader", "minority", "n2"
	Nodes  []string `json:"nodes,omitempty"`  // the nodes meant: down or paused by the kinds above; may be empty for others

	From      int64       `json:"from"`
	To        int64       `json:"to,omitempty"`        // 0 = to the end of the run
	Links     [][2]string `json:"links,omitempty"`     // ordered pairs {caller, callee} cut or troubled
	Direction string      `json:"direction,omitempty"` // matters for cuts only

	Effect    map[string]float64 `json:"effect,omitempty"`     // what it was seen to do, by name: frames dropped, leader changes, …
	MinEffect map[string]float64 `json:"min_effect,omitempty"` // the least it must do for the run to count
}
