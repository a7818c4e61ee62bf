package protocol

import "time"

// VoteDecision says what became of a vote request.
type VoteDecision string

// The decisions, in the order in which they are looked for.
const (
	NotMember    VoteDecision = "not_member" // asked for was another directory than this node's, or this node has yet to be added
	StaleTerm    VoteDecision = "stale_term"
	LeaderAlive  VoteDecision = "leader_alive"
	AlreadyVoted VoteDecision = "already_voted"
	LogBehind    VoteDecision = "log_behind"
	Granted      VoteDecision = "granted"
)

// ballot is one campaign, or the pre-vote for one.
type ballot struct {
	open    bool
	preVote bool
	// transfer: the leader asked for this campaign
	transfer bool
	began    time.Time
	asked    map[uint64]NodeID   // outstanding requests by ticket
	votes    map[NodeID]bool     // who has answered, and how
	known    map[NodeID]Identity // of those
}

// campaign begins what a passed election time-out calls for: an election, or a pre-vote for one.
func (n *Node) campaign() {
	if n.role != Follower {
		n.suspect = false // haste has got no answers in time: the network or the disks are slow after all
	}
	reason := n.campaignReason()
	n.setLeader("", "")
	if !n.mayLead() {
		n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout) // a learner, or removed: it disturbs nobody
		return
	}
	if n.opts.DisablePreVote {
		n.startElection(reason)
		return
	}
	n.become(StartPreVote)
	n.openBallot(true, reason)
	n.requestVotes(n.hard.Term + 1)
	n.vote(n.opts.ID, n.opts.Identity, true)
}

// startElection raises the term and asks for votes (§5.2). This node's own vote counts once it is durable.
func (n *Node) startElection(reason string) {
	n.saveHardState(HardState{Term: n.hard.Term + 1, VotedFor: n.opts.ID})
	n.leaderCommit, n.verified = 0, n.commitIndex
	n.become(StartElection)
	n.openBallot(false, reason)
	n.ballot.transfer = reason == "transfer"
	n.requestVotes(n.hard.Term)
}

func (n *Node) openBallot(preVote bool, reason string) {
	n.ballot = ballot{
		open: true, preVote: preVote, began: n.now,
		asked: make(map[uint64]NodeID), votes: make(map[NodeID]bool), known: make(map[NodeID]Identity),
	}
	least, most := n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout
	if n.suspect {
		// The leader is most likely dead and the network is not: a split vote need not cost a whole time-out.
		least, most = least/4, most/4
	}
	n.drawDeadline(least, most)
	n.emit(ElectionStarted{PreVote: preVote, Reason: reason})
}

func (n *Node) requestVotes(term Term) {
	last := n.log.last()
	for _, peer := range n.peers {
		if !n.config().Votes(peer) {
			continue
		}
		ticket := n.ticket()
		n.ballot.asked[ticket] = peer
		n.sendDurable(peer, ticket, RequestVoteRequest{
			Term: term, CandidateID: n.opts.ID,
			LastLogIndex: last.Index, LastLogTerm: last.Term,
			PreVote: n.ballot.preVote, Transfer: n.ballot.transfer, ToDirectory: n.directoryOf(peer),
		})
	}
}

// handleRequestVote answers both a vote and a pre-vote; they differ in what a grant does.
func (n *Node) handleRequestVote(m Message, req RequestVoteRequest) {
	decision := n.decideVote(m.From, req)
	n.emit(VoteDecided{PreVote: req.PreVote, Candidate: m.From, Decision: decision})
	if decision == Granted && !req.PreVote {
		if n.hard.VotedFor != m.From {
			n.saveHardState(HardState{Term: n.hard.Term, VotedFor: m.From})
		}
		if n.role == Follower || n.role == PreCandidate {
			n.become(GrantVote)
		}
		n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
	}
	reply := RequestVoteReply{Identity: n.opts.Identity, Term: n.hard.Term, VoteGranted: decision == Granted}
	if n.opts.Mutation.Is("vote-forgotten") {
		n.send(m.From, m.Ticket, reply)
		return
	}
	n.sendDurable(m.From, m.Ticket, reply)
}

// decideVote judges a request, and enters its term if that is a later one that may be entered.
func (n *Node) decideVote(from NodeID, req RequestVoteRequest) VoteDecision {
	if len(n.config().Members) == 0 {
		return NotMember // it waits to be added: under its name, something else may have voted before
	}
	if req.Term == 0 || req.Term < n.hard.Term || req.PreVote && req.Term == n.hard.Term {
		return StaleTerm
	}
	if n.promised() && !req.Transfer {
		return LeaderAlive
	}
	// Thesis §4.2.3 and §9.6: while a leader is heard, nobody helps to depose it.
	if (req.PreVote || !n.opts.DisableStickiness) && req.Term > n.hard.Term && !req.Transfer && n.leaderAlive() {
		return LeaderAlive
	}
	if !req.PreVote && req.Term > n.hard.Term {
		n.adoptTerm(req.Term)
	}
	if !req.PreVote && n.hard.VotedFor != "" && n.hard.VotedFor != from && !n.opts.Mutation.Is("vote-twice") {
		return AlreadyVoted
	}
	candidate := Position{Term: req.LastLogTerm, Index: req.LastLogIndex}
	if n.opts.Mutation.Is("vote-stale-log") {
		candidate.Term = n.log.last().Term
	}
	if !candidate.atLeastAsUpToDateAs(n.log.last()) && !(req.PreVote && n.opts.Mutation.Is("prevote-no-log")) {
		return LogBehind
	}
	return Granted
}

// leaderAlive reports whether this node hears the current leader, or is it and hears its quorum.
func (n *Node) leaderAlive() bool {
	if n.role == Leader {
		return n.opts.DisableCheckQuorum || n.now.Before(n.quorumContact().Add(n.opts.ElectionTimeout))
	}
	if n.opts.Mutation.Is("prevote-remembers") {
		return !n.heard.IsZero()
	}
	return n.leader != "" && !n.suspect && n.now.Before(n.heard.Add(n.opts.ElectionTimeout))
}

func (n *Node) handleRequestVoteReply(m Message, reply RequestVoteReply) {
	if n.seesHigherTerm(reply.Term) {
		return
	}
	voter, ok := n.ballot.asked[m.Ticket]
	if n.ballot.open && n.opts.Mutation.Is("vote-late-reply") {
		voter, ok = m.From, true
	}
	if !ok || voter != m.From {
		return // of an earlier campaign, or a second answer to one request
	}
	delete(n.ballot.asked, m.Ticket)
	n.vote(voter, reply.Identity, reply.VoteGranted)
}

// vote takes in one answer to the ballot.
func (n *Node) vote(voter NodeID, who Identity, granted bool) {
	if n.isStranger(voter, who) {
		return
	}
	n.ballot.votes[voter], n.ballot.known[voter] = granted, who
	switch won, lost := n.config().tally(n.ballot.votes); {
	case won && n.ballot.preVote:
		n.startElection(n.campaignReason())
	case won:
		n.lead()
	case lost:
		n.become(LoseElection)
		if n.suspect && !n.opts.DisablePreVote { // the next try is a pre-vote, which gets in nobody's way
			n.drawDeadline(n.opts.ElectionTimeout/20, n.opts.ElectionTimeout/20)
		}
	}
}

func (n *Node) campaignReason() string {
	if n.suspect {
		return "leader_lost"
	}
	return "timeout"
}

// lead takes office: progress is new, and an entry of the own term lets older ones commit (§8).
func (n *Node) lead() {
	known := n.ballot.known
	n.become(WinElection)
	n.leaseOver = false
	n.pendingBytes = DataBytes(n.log.slice(n.commitIndex+1, n.log.last().Index))
	n.suspect = false
	n.setLeader(n.opts.ID, n.opts.LeaderURL)
	n.deadline = n.now.Add(n.opts.ElectionTimeout)
	if !n.opts.DisableNoop && !n.opts.Mutation.Is("commit-no-noop") {
		n.appendOwn(EntryNoop, nil)
	}
	n.introduce(known)
}

// checkQuorum makes a leader that no majority answers step down (thesis §6.2).
func (n *Node) checkQuorum() {
	expiry := n.quorumContact().Add(n.opts.ElectionTimeout)
	if n.opts.DisableCheckQuorum || n.now.Before(expiry) {
		n.deadline = maxTime(expiry, n.now.Add(n.opts.HeartbeatInterval))
		return
	}
	n.become(QuorumLost)
	n.setLeader("", "")
	n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
}

// seesHigherTerm steps down before a later term and reports whether it did (§5.1).
func (n *Node) seesHigherTerm(term Term) bool {
	if term <= n.hard.Term || n.opts.Mutation.Is("no-step-down") {
		return false
	}
	n.adoptTerm(term)
	return true
}

// finishElection tells how the open ballot ended, if one was.
func (n *Node) finishElection(was Role, trigger Trigger) {
	if !n.ballot.open {
		return
	}
	outcome := "superseded"
	switch {
	case trigger == WinElection, was == PreCandidate && trigger == StartElection:
		outcome = "won"
	case trigger == LoseElection:
		outcome = "lost"
	case trigger == StartPreVote, trigger == StartElection:
		outcome = "timed_out"
	}
	n.emit(ElectionFinished{PreVote: n.ballot.preVote, Outcome: outcome, Took: n.now.Sub(n.ballot.began)})
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
