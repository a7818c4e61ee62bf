package sim

import (
	"time"

	"whitewater/pkg/raft/protocol"
)

// Options say what to run.
type Options struct {
	Service  Service           // required
	Mutation protocol.Mutation // breaks a rule, in builds tagged mutants
	Trace    func(Step)        // is told each step; nil: nobody is, and the run is faster
}

// Report is how a run went.
type Report struct {
	Plan    Plan
	Failure *Failure // nil: every promise was kept
	Digest  uint64   // of all that happened: equal for equal plans

	Events    int            // inputs of nodes, all checks made after each
	Simulated time.Duration  // of the whole cluster
	Counts    map[string]int // of what happened, by name, for Totals; "undecided": 1 if the history was too hard to judge
}

// Failure is a broken promise.
type Failure struct {
	Check   string // one of Checks
	At      time.Duration
	Message string
}
