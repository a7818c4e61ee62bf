package protocol

import (
	"fmt"
	"slices"
	"time"
)

// Node is one member's Raft state. It is not safe for concurrent use: the caller's lock guards it.
type Node struct {
	opts  Options
	peers []NodeID // the members of the configuration in force but this one

	// Persistent state (Figure 2), as it will be once the issued batches are durable.
	hard     HardState
	log      raftLog
	snapshot SnapshotMeta // the newest; zero: none
	members  members

	// Volatile state (Figure 2).
	commitIndex Index
	lastApplied Index
	restore     SnapshotMeta // must be restored before the next entry is applied; zero: none

	role      Role
	leader    NodeID // of the current term; empty: not known
	leaderURL string

	// As a follower of the current term's leader.
	leaderCommit Index // highest commit index heard of
	verified     Index // up to here this log is the leader's
	heard        time.Time
	suspect      bool // the leader's connection ended

	// As a candidate or leader.
	ballot        ballot
	progress      map[NodeID]*progress
	lastHeartbeat map[NodeID]time.Time // outlives progress: the limit holds across terms
	reads         reads
	transfer      transfer

	disk     disk
	deadline time.Time // of the election timer, or of a leader's check for its quorum
	tickets  uint64
	now      time.Time
	started  time.Time

	pendingBytes int  // on a leader: of data not committed yet
	leaseOver    bool // on a leader: TimeoutNow was sent in this term
	out          Output
}

// New starts a node from what its storage recovered, as a follower that has heard of no leader.
func New(opts Options, state State, now time.Time) (*Node, error) {
	opts = opts.WithDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Mutation.Is("no-prevote") {
		opts.DisablePreVote, opts.DisableStickiness = true, true
	}
	log, err := newLog(state.Compacted, state.Entries)
	if err != nil {
		return nil, err
	}
	if state.Compacted.Index > state.Snapshot.Index || state.Snapshot.Index > log.last().Index {
		return nil, fmt.Errorf("recovered log from %v to %v does not meet the snapshot at %v", state.Compacted, log.last(), state.Snapshot.Position)
	}
	if state.Term < log.last().Term {
		return nil, fmt.Errorf("recovered term %d is below that of the last entry, %v", state.Term, log.last())
	}
	n := &Node{
		opts:          opts,
		hard:          state.HardState,
		log:           log,
		snapshot:      state.Snapshot,
		restore:       state.Snapshot,
		commitIndex:   state.Snapshot.Index,
		now:           now,
		lastHeartbeat: make(map[NodeID]time.Time),
	}
	if err := n.recoverMembers(state); err != nil {
		return nil, err
	}
	n.out = Output{} // the embedding program asks for the configuration that is in force at first
	n.started = now
	n.disk.durable = log.last().Index
	n.drawDeadline(opts.ElectionTimeout, 2*opts.ElectionTimeout)
	return n, nil
}

// Deadline is when Tick is due next. It moves with every input.
func (n *Node) Deadline() time.Time { return n.deadline }

// Role is what the node is now.
func (n *Node) Role() Role { return n.role }

// Term is the current one.
func (n *Node) Term() Term { return n.hard.Term }

// CommitIndex is how far the log is known to be committed.
func (n *Node) CommitIndex() Index { return n.commitIndex }

// LastIndex is that of the last entry.
func (n *Node) LastIndex() Index { return n.log.last().Index }

// Leader is who leads the current term; empty: not known.
func (n *Node) Leader() NodeID { return n.leader }

// Configuration is the one in force. It is shared: do not write to it.
func (n *Node) Configuration() Configuration { return n.config() }

// Tick tells the time. Before the deadline it changes nothing.
func (n *Node) Tick(now time.Time) Output {
	n.now = now
	if now.Before(n.deadline) {
		return n.take()
	}
	if n.role == Leader {
		n.checkTransfer()
		n.checkQuorum()
	} else {
		n.campaign()
	}
	return n.take()
}

// Propose appends commands to a leader's log and tells the position of the first; the others follow
// without a gap. On ErrNotLeader and ErrOverloaded nothing was appended.
func (n *Node) Propose(now time.Time, commands ...[]byte) (Position, Output, error) {
	n.now = now
	if n.role != Leader {
		return Position{}, n.take(), ErrNotLeader
	}
	if n.transfer.to != "" {
		return Position{}, n.take(), ErrTransferring
	}
	if n.overloaded(commands) {
		return Position{}, n.take(), ErrOverloaded
	}
	first := Position{Term: n.hard.Term, Index: n.log.last().Index + 1}
	for _, command := range commands {
		n.appendOwn(EntryCommand, command)
	}
	return first, n.take(), nil
}

// overloaded reports whether more waits for a majority with commands than may.
func (n *Node) overloaded(commands [][]byte) bool {
	if int(n.log.last().Index-n.commitIndex)+len(commands) > n.opts.MaxPending {
		return true
	}
	size := 0
	for _, command := range commands {
		size += len(command)
	}
	over := n.pendingBytes > 0 && n.pendingBytes+size > n.opts.MaxPendingBytes
	if over && n.opts.Mutation.Is("quota-leak") {
		n.pendingBytes += size
	}
	return over
}

// Receive takes a request or a reply. A request's replies leave with its ticket.
func (n *Node) Receive(now time.Time, m Message) Output {
	n.now = now
	tamed, absurd := tame(m.Body)
	if absurd {
		n.emit(ProtocolViolated{Peer: m.From, What: fmt.Sprintf("%T speaks of a term beyond %d", m.Body, MaxTerm)})
	}
	if m.Body = tamed; n.misdirected(m) {
		return n.take()
	}
	if n.role != Leader && n.opts.Mutation.Is("timer-any-rpc") {
		n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
	}
	switch body := tamed.(type) {
	case RequestVoteRequest:
		n.handleRequestVote(m, body)
	case RequestVoteReply:
		n.handleRequestVoteReply(m, body)
	case AppendEntriesRequest:
		n.handleAppendEntries(m, body)
	case AppendEntriesReply:
		n.handleAppendEntriesReply(m, body)
	case ConfirmLeaderRequest:
		n.handleConfirmLeader(m, body)
	case ConfirmLeaderReply:
		n.handleConfirmation(m, body.Term, body.Identity, confirmFlight)
	case ReadIndexRequest:
		n.handleReadIndex(m, body)
	case ReadIndexReply:
		n.handleReadIndexReply(m, body)
	case InstallSnapshotRequest:
		n.handleInstallSnapshot(m, body)
	case InstallSnapshotReply:
		n.handleInstallSnapshotReply(m, body)
	case TimeoutNowRequest:
		n.handleTimeoutNow(m, body)
	case TimeoutNowReply:
		n.handleConfirmation(m, body.Term, body.Identity, timeoutNowFlight)
	}
	return n.take()
}

// Failed tells that a request got no reply and never will: it was lost, refused or took too long.
func (n *Node) Failed(now time.Time, to NodeID, ticket uint64) Output {
	n.now = now
	delete(n.ballot.asked, ticket)
	if p := n.progress[to]; p != nil {
		n.requestFailed(p, ticket)
	}
	n.forwardFailed(ticket)
	return n.take()
}

// ConnectionLost tells that the connection over which from sends its requests has ended. If from leads,
// it may be dead: ask the others soon, and do not stand in their way meanwhile.
func (n *Node) ConnectionLost(now time.Time, from NodeID) Output {
	n.now = now
	// A leader with a lease rests on followers that keep to their word for as long as it may live.
	if n.role == Follower && from == n.leader && !n.suspect && !n.opts.LeaseReads {
		n.suspect = true
		n.drawDeadline(0, n.opts.ElectionTimeout/20)
	}
	return n.take()
}

// Committed returns what to apply next: a snapshot to restore, or, if that is zero, at most count entries that are
// committed, durable here, and above what Applied was told last.
func (n *Node) Committed(count int) (SnapshotMeta, []Entry) {
	last := min(n.applicable(), n.disk.durable)
	if n.restore.Index > n.lastApplied {
		if n.restore.Index > last {
			return SnapshotMeta{}, nil // it is not durable yet
		}
		return n.restore, nil
	}
	return SnapshotMeta{}, n.log.slice(n.lastApplied+1, min(last, n.lastApplied+Index(count)))
}

// applicable is up to where the state machine may go.
func (n *Node) applicable() Index {
	if n.opts.Mutation.Is("apply-uncommitted") {
		return n.log.last().Index
	}
	return n.commitIndex
}

// Applied tells that the state machine has executed everything up to index.
func (n *Node) Applied(index Index) {
	if index < n.lastApplied || index > n.applicable() {
		panic(fmt.Sprintf("StateMachineSafety: applied %d after %d, with %d committed", index, n.lastApplied, n.commitIndex))
	}
	n.lastApplied = index
}

// AppliedIndex is what Applied was told last.
func (n *Node) AppliedIndex() Index { return n.lastApplied }

// SnapshotAt begins what describes a snapshot of the state after the entry at index, which must be committed, durable here
// and above the present snapshot; ok is false elsewhere.
func (n *Node) SnapshotAt(index Index) (at SnapshotMeta, ok bool) {
	term, ok := n.log.term(index)
	if !ok || index <= n.snapshot.Index || index > min(n.commitIndex, n.disk.durable) {
		return SnapshotMeta{}, false
	}
	return SnapshotMeta{Position: Position{Term: term, Index: index}, Configuration: n.configAt(index)}, true
}

// Tracks reports whether peer is a member, or one that a leader still tells of its removal.
func (n *Node) Tracks(peer NodeID) bool {
	return n.progress[peer] != nil || slices.Contains(n.peers, peer)
}

// Snapshot describes the newest snapshot; zero: there is none.
func (n *Node) Snapshot() SnapshotMeta { return n.snapshot }

// SendsSnapshot reports whether a snapshot is on its way to peer.
func (n *Node) SendsSnapshot(peer NodeID) bool {
	p := n.progress[peer]
	return p != nil && p.state == Install
}

// Entries returns up to count durable entries from index from on, or from the first that is held.
func (n *Node) Entries(from Index, count int) []Entry {
	from = max(from, n.log.first())
	return n.log.slice(from, min(n.disk.durable, from+Index(count)-1))
}

// Status is a copy of what can be seen of a node at one moment.
type Status struct {
	ID           NodeID
	Role         Role
	Term         Term
	VotedFor     NodeID
	Leader       NodeID // empty: not known
	LeaderURL    string
	FirstIndex   Index // the first entry that the log holds, or would hold
	LastIndex    Index
	LastTerm     Term
	DurableIndex Index
	CommitIndex  Index
	AppliedIndex Index
	Snapshot     SnapshotMeta

	Configuration          Configuration // in force; shared, not to be written to
	ConfigurationIndex     Index         // of the entry, or the snapshot, that holds it; 0: the one the cluster began with
	ConfigurationCommitted bool

	Heard       time.Time             // last accepted message of a leader; zero: none yet
	QuorumHeard time.Time             // on a leader: since when a majority has answered
	Peers       map[NodeID]PeerStatus // on a leader
}

// PeerStatus is a leader's view of one peer.
type PeerStatus struct {
	MatchIndex Index
	Inflight   int // requests outstanding
	State      PeerState
	Contact    time.Time // its last answer
}

// Status tells the node's state.
func (n *Node) Status() Status {
	s := Status{
		ID: n.opts.ID, Role: n.role, Term: n.hard.Term, VotedFor: n.hard.VotedFor,
		Leader: n.leader, LeaderURL: n.leaderURL,
		FirstIndex: n.log.first(), Snapshot: n.snapshot, LastIndex: n.log.last().Index, LastTerm: n.log.last().Term, DurableIndex: n.disk.durable,
		CommitIndex: n.commitIndex, AppliedIndex: n.lastApplied,
		Heard:         n.heard,
		Configuration: n.config(), ConfigurationIndex: n.configIndex(), ConfigurationCommitted: n.configIndex() <= n.commitIndex,
	}
	if n.role == Leader {
		s.QuorumHeard = n.quorumContact()
		s.Peers = make(map[NodeID]PeerStatus, len(n.progress))
		for peer, p := range n.progress {
			s.Peers[peer] = PeerStatus{MatchIndex: p.match, Inflight: len(p.flights), State: p.state, Contact: p.contact}
		}
	}
	return s
}

func (n *Node) emit(e Event) { n.out.Events = append(n.out.Events, e) }

// ticket numbers a request of this node.
func (n *Node) ticket() uint64 {
	n.tickets++
	return n.tickets
}

// send lets a request leave at once: it says nothing that is not durable.
func (n *Node) send(to NodeID, ticket uint64, body Body) {
	n.out.Send = append(n.out.Send, Message{From: n.opts.ID, To: to, Ticket: ticket, Body: body})
}

// sendDurable lets a message leave when all that has been issued to the disk is durable.
func (n *Node) sendDurable(to NodeID, ticket uint64, body Body) {
	n.out.SendAfterPersist = append(n.out.SendAfterPersist, Message{From: n.opts.ID, To: to, Ticket: ticket, Body: body})
}

// take ends an input: it issues what must be saved and hands out what was gathered.
func (n *Node) take() Output {
	n.out.Persist = n.issue()
	if len(n.disk.pending) == 0 {
		n.out.Send = append(n.out.Send, n.out.SendAfterPersist...)
		n.out.SendAfterPersist = nil
	}
	for i := range n.out.SendAfterPersist {
		n.out.SendAfterPersist[i].After = n.disk.issued
	}
	out := n.out
	n.out = Output{}
	return out
}

// drawDeadline sets the election timer to a random time between least and most from now.
func (n *Node) drawDeadline(least, most time.Duration) {
	n.deadline = n.now.Add(least + time.Duration(n.opts.Rand.Int64N(int64(most-least)+1)))
}
