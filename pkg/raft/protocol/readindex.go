package protocol

import (
	"cmp"
	"slices"
	"time"
)

// reads are linearizable reads on their way (§8, thesis §6.4). A leader registers each with the commit
// index it saw and gives it a round; a request sent later carries that round, and once a majority
// has answered such requests in this term the reads up to it are confirmed.
type reads struct {
	round    uint64 // of the last read registered
	pending  []pendingRead
	early    []pendingRead // wait for this term's first commit
	waiting  []uint64      // on a follower: wait for the request that is out to return
	asked    []uint64      // on a follower: what that request asks for
	askedFor uint64        // its ticket; 0: none is out
}

// pendingRead is one read on the leader, local or asked for by a follower.
type pendingRead struct {
	id    uint64  // of a local read
	from  Message // of a follower's request, else zero
	round uint64
	index Index
	lease bool // it rests on a lease
}

// Read begins a linearizable read under an id of the caller's; an Output's Reads will end it.
func (n *Node) Read(now time.Time, id uint64) Output {
	n.now = now
	switch {
	case n.role == Leader:
		n.register(pendingRead{id: id})
	case n.leader == "":
		n.endRead(id, 0, ErrNoLeader)
	default:
		n.reads.waiting = append(n.reads.waiting, id)
		n.forwardReads()
	}
	return n.take()
}

// CancelRead forgets a read whose caller has gone, so that nothing is sent on its behalf.
func (n *Node) CancelRead(id uint64) {
	is := func(other uint64) bool { return other == id }
	isLocal := func(r pendingRead) bool { return r.from.Body == nil && r.id == id }
	n.reads.waiting = slices.DeleteFunc(n.reads.waiting, is)
	n.reads.asked = slices.DeleteFunc(n.reads.asked, is)
	n.reads.pending = slices.DeleteFunc(n.reads.pending, isLocal)
	n.reads.early = slices.DeleteFunc(n.reads.early, isLocal)
}

// register notes a read with the commit index of this moment. Before an entry of this term is committed that
// index may be too low: earlier leaders may have committed more (§8).
func (n *Node) register(r pendingRead) {
	if term, _ := n.log.term(n.commitIndex); term != n.hard.Term && !n.opts.Mutation.Is("read-no-noop") {
		n.reads.early = append(n.reads.early, r)
		return
	}
	if n.holdsLease() {
		r.index, r.lease = n.commitIndex, true
		n.finishRead(r)
		return
	}
	n.reads.round++
	r.round, r.index = n.reads.round, n.commitIndex
	if len(n.reads.pending) > 0 && n.opts.Mutation.Is("read-shares-index") {
		r.index = n.reads.pending[0].index
	}
	n.reads.pending = append(n.reads.pending, r)
	n.finishReads()
}

func (n *Node) registerWaitingReads() {
	early := n.reads.early
	n.reads.early = nil
	for _, r := range early {
		n.register(r)
	}
}

// finishReads ends the reads that a majority has confirmed.
func (n *Node) finishReads() {
	if n.role != Leader || len(n.reads.pending) == 0 {
		return
	}
	confirmed := majorityValue(n.members.halves, func(id NodeID) uint64 {
		if id == n.opts.ID {
			return n.reads.round
		}
		return n.progress[id].roundAcked
	}, cmp.Compare[uint64])
	if n.opts.Mutation.Is("read-unconfirmed") {
		confirmed = n.reads.round
	}
	for len(n.reads.pending) > 0 && n.reads.pending[0].round <= confirmed {
		n.finishRead(n.reads.pending[0])
		n.reads.pending = n.reads.pending[1:]
	}
}

func (n *Node) finishRead(r pendingRead) {
	if r.from.Body == nil {
		n.out.Reads = append(n.out.Reads, ReadResult{ID: r.id, Index: r.index, Lease: r.lease})
		return
	}
	n.sendDurable(r.from.From, r.from.Ticket, ReadIndexReply{
		Term: n.hard.Term, Success: true,
		ReadIndex: r.index, LeaderCommit: n.commitIndex, LeaderURL: n.opts.LeaderURL,
	})
}

// sendConfirm asks peer to confirm this leadership if a read waits for that and nothing out asks already.
func (n *Node) sendConfirm(peer NodeID, p *progress) {
	if len(n.reads.pending) == 0 || !n.config().Votes(peer) || max(p.roundSent, p.roundAcked) >= n.reads.round || p.count(confirmFlight) > 0 {
		return
	}
	ticket := n.ticket()
	n.launch(p, ticket, flight{kind: confirmFlight})
	n.send(peer, ticket, ConfirmLeaderRequest{Term: n.hard.Term, LeaderID: n.opts.ID})
}

// handleConfirmLeader answers with a term that is at least the request's. It is no contact with the leader.
func (n *Node) handleConfirmLeader(m Message, req ConfirmLeaderRequest) {
	if req.Term > n.hard.Term {
		n.adoptTerm(req.Term)
	}
	n.sendDurable(m.From, m.Ticket, ConfirmLeaderReply{Identity: n.opts.Identity, Term: n.hard.Term})
}

// handleConfirmation takes in a reply that tells a leader no more than the peer's term.
func (n *Node) handleConfirmation(m Message, term Term, who Identity, kind flightKind) {
	if _, _, ok := n.answered(m, term, who, kind); ok {
		n.finishReads()
	}
}

// handleReadIndex serves a follower's read.
func (n *Node) handleReadIndex(m Message, req ReadIndexRequest) {
	if n.role != Leader || req.Term > n.hard.Term {
		n.sendDurable(m.From, m.Ticket, ReadIndexReply{Term: n.hard.Term})
		return
	}
	n.register(pendingRead{from: m})
}

// forwardReads asks the leader on behalf of all reads that wait, unless a request is out: a read that came
// after it was sent must not share its index.
func (n *Node) forwardReads() {
	r := &n.reads
	if r.askedFor != 0 || len(r.waiting) == 0 || n.leader == "" {
		return
	}
	r.asked, r.waiting, r.askedFor = r.waiting, nil, n.ticket()
	n.sendDurable(n.leader, r.askedFor, ReadIndexRequest{Term: n.hard.Term})
}

func (n *Node) handleReadIndexReply(m Message, reply ReadIndexReply) {
	current := m.Ticket == n.reads.askedFor
	if current {
		n.endAskedReads(reply)
	}
	if n.seesHigherTerm(reply.Term) || !current {
		return
	}
	if reply.Success && reply.Term == n.hard.Term && m.From == n.leader {
		n.leaderCommit = max(n.leaderCommit, reply.LeaderCommit)
		n.followCommit()
	}
	n.forwardReads()
}

// endAskedReads ends the reads that the request which is out was sent for.
func (n *Node) endAskedReads(reply ReadIndexReply) {
	asked := n.reads.asked
	n.reads.asked, n.reads.askedFor = nil, 0
	for _, id := range asked {
		if reply.Success {
			n.endRead(id, reply.ReadIndex, nil)
		} else {
			n.endRead(id, 0, ErrNotLeader)
		}
	}
}

// forwardFailed ends the reads whose request to the leader was lost.
func (n *Node) forwardFailed(ticket uint64) {
	if ticket != n.reads.askedFor {
		return
	}
	for _, id := range n.reads.asked {
		n.endRead(id, 0, ErrNoLeader)
	}
	n.reads.asked, n.reads.askedFor = nil, 0
	n.forwardReads()
}

// failForwardedReads ends a follower's reads when the leader it asked is not the leader any more.
func (n *Node) failForwardedReads() {
	for _, id := range slices.Concat(n.reads.asked, n.reads.waiting) {
		n.endRead(id, 0, ErrNoLeader)
	}
	n.reads.asked, n.reads.waiting, n.reads.askedFor = nil, nil, 0
}

// dropReads ends a leader's reads when it leads no more.
func (n *Node) dropReads() {
	for _, r := range slices.Concat(n.reads.pending, n.reads.early) {
		if r.from.Body == nil {
			n.endRead(r.id, 0, ErrNotLeader)
		} else {
			n.sendDurable(r.from.From, r.from.Ticket, ReadIndexReply{Term: n.hard.Term})
		}
	}
	n.reads.pending, n.reads.early = nil, nil
}

func (n *Node) endRead(id uint64, index Index, err error) {
	n.out.Reads = append(n.out.Reads, ReadResult{ID: id, Index: index, Err: err})
}
