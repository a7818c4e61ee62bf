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
	Text string          // one line, without the node's name; see StepKind
}

// StepKind tells steps apart.
//
// Diagram reads what a step means from the first words of its Text. A term is written t4, an entry 7@4 (index 7 of
// term 4), a range 5..7@4, a range of several terms 5@2 6..7@4, nothing at all "none"; nodes are called by their ids, an
// operation #12 by its ID, a client c0. What follows a comma is detail and left out where room is short.
// The changes that a message, a sync or a timer brings follow it at once, with the same Node and At.
type StepKind string

// The kinds of steps, with the forms of their texts.
const (
	// A message. Requests and, below them, their answers:
	//
	//	RequestVote t4, last 7@3           vote t4               no vote t5
	//	PreVote t4, last 7@3               pre-vote t4           no pre-vote t5
	//	AppendEntries t4 5..7@4, prev 4@3, commit 3
	//	                                   ok 7 t4               conflict 5 t4   refused t5
	//	heartbeat t4, prev 7@4, commit 3   heartbeat ok t4       conflict 5 t4
	//	InstallSnapshot t4 20@3            snapshot ok t4        (a chunk's too, and a refusal)
	//	TimeoutNow t4                      TimeoutNow ok t4
	//	ConfirmLeader t4                   confirmed t4          not confirmed t5
	//	ReadIndex                          ReadIndex 7           no ReadIndex
	Delivered StepKind = "delivered"
	// A message that never arrives; texts are Delivered's.
	Lost StepKind = "lost"
	// Role, term, vote, log or commit index of a node:
	//
	//	follower t4    pre_candidate t4    candidate t4    LEADS t4    votes n2 t4
	//	append 5..7@4  truncate from 5     commit 7@4      snapshot 20@3    installed 20@3    members n1, n2 (joining)
	//	down, REASON   up t4, log 1..7@4, votes n2
	Changed StepKind = "changed"
	// Something became durable: synced 5..7@4, or synced t4 votes n2, or a snapshot's position.
	Stored StepKind = "stored"
	// A client began an operation at a node, or repeats it: c0 put k1 "v" #12, or c0 get k1 #12, or c0 again #12.
	Asked StepKind = "asked"
	// And got an answer: c0 done #12, c0 got "v" #12, c0 refused #12, REASON, c0 unknown #12, REASON. Without Node: it
	// gave up waiting.
	Answered StepKind = "answered"
	// A fault began or ended: cut n1 n3, and at its end: cut n1 n3 ends. Of kill and power Changed tells all.
	Faulted StepKind = "faulted"
	// Of the run: "n1 n2 n3 are healed, the rest stays broken".
	Phase StepKind = "phase"
	// The promise that was broken: the last step of a failing run. Its text names the check, then the nodes, terms,
	// entries and operations at fault, as above.
	Broken StepKind = "broken"
)
