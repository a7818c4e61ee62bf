package protocol

import (
	"fmt"
	"slices"
)

// handleAppendEntries is the receiver's side of AppendEntries (Figure 2). Its replies wait until all
// that they acknowledge is durable.
func (n *Node) handleAppendEntries(m Message, req AppendEntriesRequest) {
	reply := AppendEntriesReply{}
	if fault := faultOf(req); fault != "" {
		n.emit(ProtocolViolated{Peer: m.From, What: "AppendEntries: " + fault})
	} else if n.acceptsLeader(m, req.Term, req.LeaderID) {
		n.follow(req.LeaderID, req.LeaderURL)
		reply = n.appendChecked(m.From, req)
		n.followCommit()
	}
	reply.Identity, reply.Term = n.opts.Identity, n.hard.Term
	n.sendDurable(m.From, m.Ticket, reply)
}

// acceptsLeader reports whether what m's sender says as leader of term is to be heeded, and enters term if it is later.
func (n *Node) acceptsLeader(m Message, term Term, leader NodeID) bool {
	switch {
	case m.From != leader:
		n.emit(ProtocolViolated{Peer: m.From, What: fmt.Sprintf("speaks as leader %s of term %d", leader, term)})
		return false
	case term == 0 || term < n.hard.Term:
		return false
	case term > n.hard.Term:
		n.adoptTerm(term)
	}
	if n.role == Leader || n.leader != "" && n.leader != leader {
		n.emit(ProtocolViolated{Peer: m.From, What: fmt.Sprintf("ElectionSafety: %s and %s both lead term %d", n.leader, m.From, term)})
		return false
	}
	return true
}

// faultOf names what no correct leader sends.
func faultOf(req AppendEntriesRequest) string {
	before := Position{Term: req.PrevLogTerm, Index: req.PrevLogIndex}
	if before.Index == 0 && before.Term != 0 {
		return fmt.Sprintf("it follows %v, and nothing stands there", before)
	}
	for _, e := range req.Entries {
		if e.Index != before.Index+1 || e.Term < before.Term || e.Term > req.Term || !e.Kind.Valid() {
			return fmt.Sprintf("entry %v of kind %v follows %v in term %d", e.Position(), e.Kind, before, req.Term)
		}
		if e.Kind == EntryConfiguration {
			if _, err := ParseConfiguration(e.Data); err != nil {
				return fmt.Sprintf("entry %v: %v", e.Position(), err)
			}
		}
		before = e.Position()
	}
	return ""
}

// follow recognises the term's leader: it is alive.
func (n *Node) follow(leader NodeID, url string) {
	if n.role != Follower {
		n.become(LeaderFound)
	}
	if n.hard.VotedFor != "" && n.opts.Mutation.Is("vote-cleared") {
		n.saveHardState(HardState{Term: n.hard.Term})
	}
	n.suspect = false
	n.heard = n.now
	n.setLeader(leader, url)
	n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
}

// appendChecked does the consistency check (§5.3) and appends what is new.
func (n *Node) appendChecked(leader NodeID, req AppendEntriesRequest) AppendEntriesReply {
	req = n.skipCompacted(req)
	term, ok := n.log.term(req.PrevLogIndex)
	if len(req.Entries) == 0 && n.opts.Mutation.Is("ae-heartbeat-ok") {
		term, ok = req.PrevLogTerm, true
	}
	if !ok {
		return AppendEntriesReply{ConflictIndex: n.log.last().Index + 1}
	}
	if term != req.PrevLogTerm {
		if req.PrevLogIndex <= n.commitIndex {
			n.diverged(leader, Position{Term: req.PrevLogTerm, Index: req.PrevLogIndex})
		}
		first := n.log.firstOfTerm(req.PrevLogIndex, term)
		return AppendEntriesReply{ConflictTerm: term, ConflictIndex: max(first, n.commitIndex+1)}
	}
	if from := max(req.PrevLogIndex, n.commitIndex) + 1; from <= n.log.last().Index && n.opts.Mutation.Is("ae-cuts-always") {
		n.truncate(from)
	}
	// What is here already stays: an old or repeated request must not cut what came later.
	fresh := slices.IndexFunc(req.Entries, func(e Entry) bool {
		term, ok := n.log.term(e.Index)
		return !ok || term != e.Term
	})
	if fresh >= 0 {
		if !n.replaceFrom(leader, req.Entries[fresh:]) {
			return AppendEntriesReply{}
		}
	}
	n.verified = max(n.verified, req.PrevLogIndex+Index(len(req.Entries)))
	n.leaderCommit = max(n.leaderCommit, req.LeaderCommit)
	return AppendEntriesReply{Success: true}
}

// skipCompacted takes from a request what the log holds no more: a snapshot covers it, so it is committed and
// agrees. Where the check would fall below it moves up, as far as the request reaches.
func (n *Node) skipCompacted(req AppendEntriesRequest) AppendEntriesRequest {
	compacted := n.log.compacted.Index
	if req.PrevLogIndex >= compacted {
		return req
	}
	skip := min(Index(len(req.Entries)), compacted-req.PrevLogIndex)
	if skip > 0 {
		last := req.Entries[skip-1].Position()
		req.PrevLogIndex, req.PrevLogTerm = last.Index, last.Term
		req.Entries = req.Entries[skip:]
	}
	if req.PrevLogIndex < compacted {
		req.PrevLogIndex, req.PrevLogTerm = 0, 0
	}
	return req
}

// replaceFrom appends entries, and first cuts what conflicts with them. It refuses to cut what is committed.
func (n *Node) replaceFrom(leader NodeID, entries []Entry) bool {
	first := entries[0].Index
	if first <= n.commitIndex {
		n.diverged(leader, entries[0].Position())
		return false
	}
	if n.opts.Mutation.Is("ae-keeps-tail") {
		entries = slices.Concat(entries, n.log.slice(first+Index(len(entries)), n.log.last().Index))
	}
	if first <= n.log.last().Index {
		n.truncate(first)
	}
	n.appendFollowed(entries)
	return true
}

// diverged stops the node: what it has committed, and maybe shown, is denied by a leader.
func (n *Node) diverged(leader NodeID, theirs Position) {
	n.out.Err = fmt.Errorf("%w: %s has %v, committed here is %v up to index %d",
		ErrDiverged, leader, theirs, n.log.position(max(theirs.Index, n.log.compacted.Index)), n.commitIndex)
}

// followCommit advances a follower's commit index: to what the leader has committed, as far as this log
// is known to be the leader's and is durable.
func (n *Node) followCommit() {
	verified := n.verified
	if n.opts.Mutation.Is("ae-commit-unverified") {
		verified = n.log.last().Index
	}
	n.commitTo(min(n.leaderCommit, verified, n.disk.durable))
}
