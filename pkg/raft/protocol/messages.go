package protocol

// The messages are Figure 2's, one type per RPC and direction, with the fields that the paper's
// text and the thesis add. A field's name is its name on the wire (docs/wire.md).

// Identity tells which server answers under a name: its data directory, and where it says that it can be dialled.
type Identity struct {
	Directory string // id of the data directory; empty in a cluster that does not tell directories apart
	Address   string // host:port
}

// AppendEntriesRequest replicates log entries; without entries it is a heartbeat (§5.2, §5.3).
type AppendEntriesRequest struct {
	Term         Term
	LeaderID     NodeID
	LeaderURL    string // where clients reach the leader; opaque to Raft
	PrevLogIndex Index
	PrevLogTerm  Term
	Entries      []Entry
	LeaderCommit Index
	ToDirectory  string // the receiver's, as the configuration names it; empty: not known
}

// AppendEntriesReply answers an AppendEntriesRequest.
type AppendEntriesReply struct {
	Identity
	Term    Term
	Success bool
	// After a failed consistency check: the term of the entry at PrevLogIndex and the first index that
	// holds that term, or term 0 and the index behind the follower's last entry (§5.3). Never at or
	// below the follower's commit index.
	ConflictTerm  Term
	ConflictIndex Index
}

// RequestVoteRequest asks for a vote (§5.2), or, with PreVote, whether a vote
// would be given (thesis §9.6): Term is then the term the sender would campaign in.
type RequestVoteRequest struct {
	Term         Term
	CandidateID  NodeID
	LastLogIndex Index
	LastLogTerm  Term
	PreVote      bool
	Transfer     bool // the leader itself asked for this campaign: nobody need protect it
	ToDirectory  string
}

// RequestVoteReply answers a RequestVoteRequest; Term is the voter's own.
type RequestVoteReply struct {
	Identity
	Term        Term
	VoteGranted bool
}

// ConfirmLeaderRequest asks whether the receiver has seen a term later than the sender's: a majority
// that has not proves the sender still leads (thesis §6.4). It is no heartbeat: it resets no timer.
type ConfirmLeaderRequest struct {
	Term     Term
	LeaderID NodeID
}

// ConfirmLeaderReply answers a ConfirmLeaderRequest; Term equal to the request's confirms.
type ConfirmLeaderReply struct {
	Identity
	Term Term
}

// ReadIndexRequest asks the leader for an index that a linearizable read must wait for (§8, thesis §6.4).
type ReadIndexRequest struct {
	Term Term // the sender's
}

// ReadIndexReply answers a ReadIndexRequest. Without Success the receiver does not lead, or no longer.
type ReadIndexReply struct {
	Term         Term
	Success      bool
	ReadIndex    Index
	LeaderCommit Index // the follower may advance on it as on a heartbeat's
	LeaderURL    string
}

// InstallSnapshotRequest sends a chunk of the leader's snapshot to a follower whose next entry the leader's log no
// longer holds (Figure 13).
type InstallSnapshotRequest struct {
	Term              Term
	LeaderID          NodeID
	LeaderURL         string
	LastIncludedIndex Index
	LastIncludedTerm  Term
	Configuration     string // in force there, encoded
	Size              int64  // of the whole snapshot
	Checksum          uint32 // CRC-32C of the whole snapshot
	Offset            int64
	Data              []byte
	Done              bool // the last chunk
	ToDirectory       string
}

// Meta describes the snapshot of which the request carries a chunk.
func (r InstallSnapshotRequest) Meta() SnapshotMeta {
	return SnapshotMeta{
		Position:      Position{Term: r.LastIncludedTerm, Index: r.LastIncludedIndex},
		Configuration: r.Configuration, Size: r.Size, Checksum: r.Checksum,
	}
}

// InstallSnapshotReply answers an InstallSnapshotRequest.
type InstallSnapshotReply struct {
	Identity
	Term Term
	// NextOffset is where the follower wants the next chunk from: what it holds is kept over lost chunks. It
	// equals the snapshot's size when nothing is missing.
	NextOffset int64
	Installed  bool // the follower's log now holds all that the snapshot does, durably
}

// TimeoutNowRequest tells a follower whose log is complete to campaign at once: the sender hands its leadership
// over (thesis §3.10).
type TimeoutNowRequest struct {
	Term     Term
	LeaderID NodeID
}

// TimeoutNowReply answers a TimeoutNowRequest.
type TimeoutNowReply struct {
	Identity
	Term Term
}
