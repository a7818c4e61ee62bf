package protocol

import (
	"slices"
	"time"
)

// maxHeartbeats is how many heartbeats may wait for one peer's answer.
const maxHeartbeats = 2

// progress is a leader's view of one peer.
type progress struct {
	match, next Index // matchIndex and nextIndex (Figure 2)
	state       PeerState
	epoch       uint64    // see become
	flights     []flight  // requests without an answer yet
	limit       int       // entries in the next batch: halved by a failure, doubled by a success
	retryAt     time.Time // nothing is sent before, after a failure
	contact     time.Time // the last answer to AppendEntries or InstallSnapshot
	lastSent    time.Time // the last AppendEntries of any kind
	commitSent  Index     // the highest commit index told
	merged      Index     // the commit index whose announcement waits for the next heartbeat
	roundSent   uint64    // the latest round of reads that a request asks to confirm
	roundAcked  uint64    // the latest round that the peer has confirmed
	leaseFrom   time.Time // when the latest answered sign of life was sent
	sending     sending   // in state Install
	directory   string    // the peer's, as the configuration names it: all of this is about that one
	stranger    bool      // another data directory answers under the peer's name: it is sent no entries
	departs     time.Time // of a removed peer: it is served until then; zero: it is a member

	// Catching up is counted in rounds (thesis §4.2.1): of what the log held when one began, after the peer was asked to join.
	joining    bool
	roundEnd   Index
	roundBegan time.Time
	caughtUp   bool // a round took no longer than an election time-out
}

type flightKind uint8

const (
	entriesFlight flightKind = iota
	heartbeatFlight
	confirmFlight
	snapshotFlight
	timeoutNowFlight
)

// flight is one request on its way.
type flight struct {
	ticket  uint64
	kind    flightKind
	prev    Index // of the consistency check
	last    Index // where the peer's log matches on success
	round   uint64
	epoch   uint64
	written bool // the frame has left
	bytes   int  // of entries' data
	sent    time.Time
}

// find is the place of a request among those without an answer; -1: it is not there.
func (p *progress) find(ticket uint64) int {
	return slices.IndexFunc(p.flights, func(f flight) bool { return f.ticket == ticket })
}

// count tells how many flights of a kind are out; of entries, those of this epoch.
func (p *progress) count(kind flightKind) int {
	count := 0
	for _, f := range p.flights {
		if f.kind == kind && (kind != entriesFlight || f.epoch == p.epoch) {
			count++
		}
	}
	return count
}

// inflightBytes is the data of entries that wait for an answer, whatever their epoch: it is still on its way.
func (p *progress) inflightBytes() int {
	bytes := 0
	for _, f := range p.flights {
		bytes += f.bytes
	}
	return bytes
}

// probe goes back to one request at a time, from next on.
func (p *progress) probe(trigger peerTrigger, next Index) {
	p.become(trigger)
	p.next = max(p.match+1, next)
}

// Replicate returns what the leader should send peer now: entries as far as the window allows, a
// heartbeat if one is due, a confirmation of leadership if reads wait for it.
func (n *Node) Replicate(now time.Time, peer NodeID) Output {
	n.now = now
	p := n.progress[peer]
	if p != nil && !p.departs.IsZero() && !now.Before(p.departs) {
		delete(n.progress, peer)
		return n.take()
	}
	if p != nil && !now.Before(p.retryAt) {
		if !p.stranger {
			n.sendSnapshot(peer, p)
			n.sendEntries(peer, p)
			n.sendTimeoutNow(peer, p)
		}
		n.sendHeartbeat(peer, p)
		n.sendConfirm(peer, p)
	}
	return n.take()
}

// ReplicateDeadline is when Replicate has something to send peer unless an input comes first; zero: never.
func (n *Node) ReplicateDeadline(peer NodeID) time.Time {
	p := n.progress[peer]
	switch {
	case p == nil:
		return time.Time{}
	case n.now.Before(p.retryAt):
		return p.retryAt
	case !n.mayHeartbeat(p):
		return time.Time{}
	}
	return n.heartbeatDue(peer, p)
}

// HeartbeatWritten tells that a heartbeat's frame has left; the gap to the next one counts from here.
func (n *Node) HeartbeatWritten(now time.Time, to NodeID, ticket uint64) {
	n.lastHeartbeat[to] = now
	if p := n.progress[to]; p != nil {
		if i := p.find(ticket); i >= 0 {
			p.flights[i].written = true
		}
	}
}

func (n *Node) sendEntries(peer NodeID, p *progress) {
	window, limit := n.opts.MaxInflight, p.limit
	switch p.state {
	case Install:
		return
	case Probe:
		window = 1
		if p.next != p.match+1 {
			limit = 1 // the question is where the logs agree; more would most likely be sent in vain
		}
	}
	for next := p.next; n.log.first() <= next && next <= n.log.last().Index && p.count(entriesFlight) < window; next = p.next {
		room := n.opts.MaxInflightBytes - p.inflightBytes()
		if room <= 0 {
			return
		}
		entries := n.log.batch(next, limit, min(room, n.opts.MaxBatchBytes))
		last := entries[len(entries)-1].Index
		n.sendAppend(peer, p, flight{kind: entriesFlight, prev: next - 1, last: last, bytes: DataBytes(entries)}, entries)
		if p.state == Replicate {
			p.next = last + 1
		}
	}
}

// mayHeartbeat holds the next heartbeat back while one has not left yet or too many are unanswered.
func (n *Node) mayHeartbeat(p *progress) bool {
	for _, f := range p.flights {
		if f.kind == heartbeatFlight && !f.written {
			return false
		}
	}
	return p.count(heartbeatFlight) < maxHeartbeats
}

// heartbeatDue is when the next heartbeat may leave: after the gap at once if there is a commit to announce,
// else when nothing has been sent for as long.
func (n *Node) heartbeatDue(peer NodeID, p *progress) time.Time {
	due := n.lastHeartbeat[peer].Add(n.opts.HeartbeatInterval)
	if n.opts.Mutation.Is("heartbeat-storm") {
		return n.now
	}
	if p.commitSent < n.commitIndex {
		return due
	}
	return maxTime(due, p.lastSent.Add(n.opts.HeartbeatInterval))
}

func (n *Node) sendHeartbeat(peer NodeID, p *progress) {
	if n.now.Before(n.heartbeatDue(peer, p)) || !n.mayHeartbeat(p) {
		if p.commitSent < n.commitIndex && p.merged < n.commitIndex {
			p.merged = n.commitIndex
			n.emit(HeartbeatMerged{Peer: peer})
		}
		return
	}
	prev := p.next - 1
	if p.state == Probe && p.asking(prev) && n.now.Sub(p.lastSent) < n.opts.HeartbeatInterval {
		prev = p.match // the question has only just left: one rejection tells enough
	}
	if _, held := n.log.term(prev); !held {
		prev = 0 // every log agrees there; a snapshot will tell the rest
	}
	last := prev
	if n.opts.Mutation.Is("ae-ack-own-length") {
		last = n.log.last().Index
	}
	n.sendAppend(peer, p, flight{kind: heartbeatFlight, prev: prev, last: last}, nil)
}

// asking reports whether the consistency check at prev is out, unanswered.
func (p *progress) asking(prev Index) bool {
	for _, f := range p.flights {
		if f.kind <= heartbeatFlight && f.prev == prev && f.epoch == p.epoch {
			return true
		}
	}
	return false
}

func (n *Node) sendAppend(peer NodeID, p *progress, f flight, entries []Entry) {
	ticket := n.ticket()
	n.launch(p, ticket, f)
	p.lastSent = n.now
	p.commitSent = n.commitIndex
	prev := n.log.position(f.prev)
	n.send(peer, ticket, AppendEntriesRequest{
		Term: n.hard.Term, LeaderID: n.opts.ID, LeaderURL: n.opts.LeaderURL,
		PrevLogIndex: prev.Index, PrevLogTerm: prev.Term, Entries: entries, LeaderCommit: n.commitIndex,
		ToDirectory: n.directoryOf(peer),
	})
}

// launch notes a request: its answer will also confirm the reads that are registered by now.
func (n *Node) launch(p *progress, ticket uint64, f flight) {
	f.ticket, f.epoch, f.round, f.sent = ticket, p.epoch, n.reads.round, n.now
	p.flights = append(p.flights, f)
	p.roundSent = max(p.roundSent, f.round)
}

// land takes a request out of those that wait for an answer.
func (p *progress) land(ticket uint64) (flight, bool) {
	i := p.find(ticket)
	if i < 0 {
		return flight{}, false
	}
	f := p.flights[i]
	p.flights = slices.Delete(p.flights, i, i+1)
	return f, true
}

// answered takes in a reply to a leader's request of one of kinds: it steps down before a later term, else it finds the
// request and notes that the peer confirms this leadership. ok is false for what says nothing about this
// leadership: an answer of another term, a second one, one to an earlier leadership's request.
func (n *Node) answered(m Message, term Term, who Identity, kinds ...flightKind) (p *progress, f flight, ok bool) {
	p = n.progress[m.From]
	if p != nil && n.isStranger(m.From, who) {
		if p.find(m.Ticket) >= 0 {
			p.stranger = true
			n.requestFailed(p, m.Ticket)
			if p.state == Install {
				p.become(snapshotDropped)
			}
		}
		return nil, flight{}, false
	}
	if n.seesHigherTerm(term) || p == nil {
		return nil, flight{}, false
	}
	if f, ok = p.land(m.Ticket); !ok || !slices.Contains(kinds, f.kind) || term != n.hard.Term {
		return nil, flight{}, false
	}
	p.stranger = false
	n.introduce(map[NodeID]Identity{m.From: who})
	if n.opts.Mutation.Is("read-ack-reused") {
		f.round = n.reads.round
	}
	p.roundAcked = max(p.roundAcked, f.round)
	return p, f, true
}

func (n *Node) handleAppendEntriesReply(m Message, reply AppendEntriesReply) {
	p, f, ok := n.answered(m, reply.Term, reply.Identity, entriesFlight, heartbeatFlight)
	if !ok {
		return
	}
	p.heardFrom(n.now, f)
	if reply.Success {
		if n.opts.Mutation.Is("ae-match-falls") {
			p.match = min(p.match, f.last)
		}
		p.succeeded(f, n.opts.MaxBatch)
		p.closeRound(n.now, n.log.last().Index, n.opts.ElectionTimeout)
		n.advanceCommit()
		n.advanceChange()
	} else if p.current(f) {
		p.probe(logsDiffer, min(f.prev, n.resumeAt(f.prev, reply)))
	}
	n.finishReads()
}

// current reports whether a rejection of f says something new: it is of this epoch, above what is known to
// match and, while probing, the question that is open.
func (p *progress) current(f flight) bool {
	return f.epoch == p.epoch && f.prev > p.match && (p.state == Replicate || p.state == Probe && f.prev == p.next-1)
}

// succeeded moves match forward, never back.
func (p *progress) succeeded(f flight, maxBatch int) {
	p.match = max(p.match, f.last)
	if f.epoch == p.epoch && f.prev == p.next-1 && p.state != Install {
		p.become(logsAgree)
	}
	p.next = max(p.next, p.match+1)
	if f.kind == entriesFlight {
		p.limit = min(2*p.limit, maxBatch)
	}
}

// heardFrom notes that the peer has answered a request that it took for a sign of the leader's life.
func (p *progress) heardFrom(now time.Time, f flight) {
	p.contact = now
	p.leaseFrom = maxTime(p.leaseFrom, f.sent)
}

// beginRound begins to count how long the peer takes to get all that the log holds.
func (p *progress) beginRound(now time.Time, last Index) {
	p.caughtUp, p.roundEnd, p.roundBegan = false, last, now
}

// closeRound ends a round of catching up once the peer has all that the log held at its start; a long one is followed by
// another.
func (p *progress) closeRound(now time.Time, last Index, timeout time.Duration) {
	if p.caughtUp || p.match < p.roundEnd {
		return
	}
	p.caughtUp = now.Sub(p.roundBegan) <= timeout
	p.roundEnd, p.roundBegan = last, now
}

// resumeAt is the next index to try after a rejection at prev: one rejection per differing term (§5.3).
func (n *Node) resumeAt(prev Index, reply AppendEntriesReply) Index {
	if reply.ConflictTerm == 0 {
		return reply.ConflictIndex
	}
	if last := n.log.lastUpToTerm(prev, reply.ConflictTerm); last >= reply.ConflictIndex {
		if term, _ := n.log.term(last); term == reply.ConflictTerm {
			return last + 1
		}
	}
	return reply.ConflictIndex
}

// requestFailed makes room for the next try, which waits a little and is smaller.
func (n *Node) requestFailed(p *progress, ticket uint64) {
	f, ok := p.land(ticket)
	if !ok {
		return
	}
	p.retryAt = n.now.Add(n.opts.HeartbeatInterval / 8)
	p.roundSent = p.roundAcked
	for _, other := range p.flights {
		p.roundSent = max(p.roundSent, other.round)
	}
	if f.kind == snapshotFlight {
		n.snapshotFailed(p)
	}
	if f.kind == entriesFlight && f.epoch == p.epoch {
		if f.last > f.prev+1 {
			p.limit = max(1, p.limit/2) // a batch of one says nothing about its size
		}
		if p.state == Replicate {
			p.probe(requestLost, p.match+1)
		} // else the question is still open, at the same place
	}
}

// quorumContact is when a majority, this leader included, had last answered.
func (n *Node) quorumContact() time.Time {
	return majorityValue(n.members.halves, func(id NodeID) time.Time {
		if id == n.opts.ID {
			return n.now
		}
		return n.progress[id].contact
	}, time.Time.Compare)
}
