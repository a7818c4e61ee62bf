package sim

import (
	"time"

	"whitewater/pkg/raft/protocol"
)

// Step is one thing that a run tells of, in order.
type Step struct {
	At   time.Duration
	Kind StepKind
	Node protocol.NodeID // where it happened; empty: to the whole cluster
	From protocol.NodeID // of Delivered and Lost: the sender
	Sent time.Duration   // of Delivered and Lost: when it left
	Text string          // one line, without the node's name
}

// StepKind tells steps apart.
type StepKind string

// The kinds of steps.
const (
	Delivered StepKind = "delivered" // a message, Text names it
	Lost      StepKind = "lost"      // a message that never arrives
	Changed   StepKind = "changed"   // role, term, vote, log or commit index of a node
	Stored    StepKind = "stored"    // something became durable
	Asked     StepKind = "asked"     // a client began an operation at a node, or repeats it
	Answered  StepKind = "answered"  // and got an answer
	Faulted   StepKind = "faulted"   // a fault began or ended
	Phase     StepKind = "phase"     // of the run
	Broken    StepKind = "broken"    // the promise that was broken: the last step of a failing run
)
