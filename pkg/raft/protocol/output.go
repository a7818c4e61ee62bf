package protocol

import "time"

// Output is what one input brought about. The caller carries it out; it owns the slices, but the
// entries in them are shared and must not be written to.
type Output struct {
	Persist          *Persist  // nil: nothing to save
	Send             []Message // may leave at once
	SendAfterPersist []Message // each leaves when batch Message.After is durable
	Reads            []ReadResult
	Chunks           []Chunk // of a leader's snapshot, to be stored; Node.ChunkStored reports each
	Transfer         *TransferResult
	Change           *ChangeResult
	Events           []Event
	Err              error // not nil: the node must stop; see ErrDiverged
}

// Message is one request or reply on its way. A reply carries its request's ticket.
type Message struct {
	From, To NodeID
	Ticket   uint64
	After    uint64 // number of the batch that must be durable first; 0: none
	Body     Body
}

// Body is one of the message types of this package.
type Body interface{ isBody() }

func (AppendEntriesRequest) isBody()   {}
func (AppendEntriesReply) isBody()     {}
func (RequestVoteRequest) isBody()     {}
func (RequestVoteReply) isBody()       {}
func (ConfirmLeaderRequest) isBody()   {}
func (ConfirmLeaderReply) isBody()     {}
func (ReadIndexRequest) isBody()       {}
func (ReadIndexReply) isBody()         {}
func (InstallSnapshotRequest) isBody() {}
func (InstallSnapshotReply) isBody()   {}
func (TimeoutNowRequest) isBody()      {}
func (TimeoutNowReply) isBody()        {}

// ReadResult ends the read that was begun with the same id. On a nil Err the read may be served from a
// state machine that has applied Index.
type ReadResult struct {
	ID    uint64
	Index Index
	Lease bool  // this leader's lease stood in for a confirmation
	Err   error // ErrNotLeader or ErrNoLeader
}

// Chunk is a piece of a leader's snapshot on its way to storage.
type Chunk struct {
	Meta   SnapshotMeta
	Offset int64
	Data   []byte

	reply Message // without a body: whom to answer
	term  Term    // in which it came
}

// TransferResult ends a transfer of leadership. On a nil Err this node leads no more: To, or another, campaigns.
type TransferResult struct {
	To  NodeID
	Err error // ErrTransferFailed
}

// ChangeResult ends a change of members. On a nil Err the configuration that it led to is committed.
type ChangeResult struct {
	Err error // ErrNotLeader: this node leads no more, and the next leader goes on with what is in its log; ErrCanceled
}

// Event tells one thing that happened.
type Event interface{ isEvent() }

// RoleChanged is told when the node's role changes.
type RoleChanged struct {
	From, To Role
	Trigger  Trigger
	Term     Term // after the change
}

// LeaderChanged is told when the known leader changes; empty: none is known.
type LeaderChanged struct {
	Term   Term
	Leader NodeID
}

// ElectionStarted is told when a campaign or its pre-vote begins.
type ElectionStarted struct {
	PreVote bool
	Reason  string // timeout, leader_lost, transfer
}

// ElectionFinished is told when a campaign or its pre-vote ends.
type ElectionFinished struct {
	PreVote bool
	Outcome string        // won, lost, superseded, timed_out
	Took    time.Duration // since it began
}

// VoteDecided is told for each vote request that arrives.
type VoteDecided struct {
	PreVote   bool
	Candidate NodeID
	Decision  VoteDecision
}

// VoteCast is told when a vote is durable, before its reply may leave.
type VoteCast struct {
	Term      Term
	Candidate NodeID
}

// EntriesAppended is told when entries joined the log: on a follower once they are durable, on a leader at once.
type EntriesAppended struct {
	Term    Term
	Entries []Entry
	Durable bool
}

// EntriesDurable is told when a leader's own entries reached its disk.
type EntriesDurable struct {
	Term        Term
	First, Last Index
}

// LogTruncated is told when From and all behind it left the log, before what replaced them is told.
type LogTruncated struct {
	Term Term
	From Index
}

// EntriesCommitted is told when the commit index moved over Entries.
type EntriesCommitted struct {
	Term    Term
	Role    Role
	Entries []Entry
}

// HeartbeatMerged is told when a commit would have been announced to Peer at once, but for the gap between
// heartbeats: the next one carries it.
type HeartbeatMerged struct{ Peer NodeID }

// ProtocolViolated is told when a peer did what no correct peer does; it was refused.
type ProtocolViolated struct {
	Peer NodeID
	What string
}

// SnapshotSaved is told when a snapshot of this node's own is in force; the log begins behind Compacted.
type SnapshotSaved struct {
	Term      Term
	Compacted Position
	Meta      SnapshotMeta
}

// SnapshotInstalled is told when a leader's snapshot durably took the place of the log.
type SnapshotInstalled struct {
	Term Term
	Meta SnapshotMeta
}

// ConfigurationChanged is told when another configuration came into force, Committed when that one is committed.
type ConfigurationChanged struct {
	Term          Term
	Index         Index // of its entry, or of the snapshot that holds it; 0: the one the cluster began with
	Configuration Configuration
	Committed     bool
}

// SnapshotSent is told on a leader when Peer has installed a snapshot.
type SnapshotSent struct {
	Peer NodeID
	Meta SnapshotMeta
}

func (ConfigurationChanged) isEvent() {}
func (SnapshotSaved) isEvent()        {}
func (SnapshotInstalled) isEvent()    {}
func (SnapshotSent) isEvent()         {}
func (RoleChanged) isEvent()          {}
func (LeaderChanged) isEvent()        {}
func (ElectionStarted) isEvent()      {}
func (ElectionFinished) isEvent()     {}
func (VoteDecided) isEvent()          {}
func (VoteCast) isEvent()             {}
func (EntriesAppended) isEvent()      {}
func (EntriesDurable) isEvent()       {}
func (LogTruncated) isEvent()         {}
func (EntriesCommitted) isEvent()     {}
func (HeartbeatMerged) isEvent()      {}
func (ProtocolViolated) isEvent()     {}
