package sim

import (
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// Service is what a cluster replicates, and what its clients can ask of it.
type Service interface {
	// NewMachine returns a node's state machine as it is before the first entry.
	NewMachine() Machine
}

// Machine is one node's state machine together with those who wait on it. One goroutine calls its methods.
type Machine interface {
	raft.StateMachine

	// Write proposes an operation through propose, which refuses where this node cannot take it; that refusal comes
	// back as it is. The returned function tells the answer once there is one: it is asked after each entry that is
	// applied, each restore, and each change of leadership.
	Write(op Operation, now time.Time, propose func(command []byte) (protocol.Position, error)) (func() (Answer, bool), error)
	// Read tells a key's value as it is applied.
	Read(key string) Value
	// LeadershipChanged is told when the node takes or leaves office, or enters another term.
	LeadershipChanged(term protocol.Term, leading bool, commit protocol.Index)
	// Effects tells, for each entry of the last Apply that carried a client's operation, what it did.
	Effects() []Effect
	// Digest is equal for equal states, the sessions included.
	Digest() uint64
}

// Operation is what one client asks for. Its repeats, after a time-out, are equal to it.
type Operation struct {
	ID      uint64 // of the operation, from 1, unique in a run
	Kind    OperationKind
	Client  int
	Session string // what Open answered; empty for Open
	Number  uint64 // of the session's operations, from 1; 0 for Open and Get
	Key     string
	Value   string
}

// OperationKind says what an operation does.
type OperationKind string

// The operations. Each but Get and Open takes effect once, however often it is repeated.
const (
	Open   OperationKind = "open"   // a session
	Put    OperationKind = "put"    // the key's value becomes Value
	Append OperationKind = "append" // Value is put behind the key's value
	Create OperationKind = "create" // as Put, if the key is absent
	Delete OperationKind = "delete" // the key becomes absent
	Get    OperationKind = "get"    // a linearizable read; the machine itself never sees it
)

// Value is what a key holds.
type Value struct {
	Present bool
	Data    string
}

// Answer is how an attempt ended.
type Answer struct {
	Outcome Outcome
	Session string // of Open
	Reason  string // of Unknown and Refused, for traces
}

// Outcome of an attempt.
type Outcome int

// The outcomes. Unknown may have taken effect, may do so yet, or never.
const (
	Unknown  Outcome = iota
	Done             // it took effect, now or at an earlier attempt
	NotFound         // Create alone: the key was there, at the attempt that counted
	Refused          // it had no effect and never will
)

// Effect is what an applied entry did.
type Effect struct {
	Index     protocol.Index
	Client    string // the session
	Number    uint64 // of the session's operation
	TookPlace bool   // false: it was a repeat, or was refused
	Answer    Outcome
}
