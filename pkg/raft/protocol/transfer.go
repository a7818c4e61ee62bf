package protocol

import "time"

// transfer is a hand-over of leadership on its way (thesis §3.10): no proposals are taken, the target is caught up, then
// told to campaign at once. After an election time-out the leader gives it up and leads on.
type transfer struct {
	to       NodeID // empty: none
	deadline time.Time
	told     bool // TimeoutNow has been sent
}

// Transfer begins to hand leadership to a member; empty: to the most caught up. An Output's Transfer ends it.
// Errors: ErrNotLeader, ErrTransferring, ErrTransferTarget for one that is no other voter that stays.
func (n *Node) Transfer(now time.Time, to NodeID) (Output, error) {
	n.now = now
	switch {
	case n.role != Leader:
		return n.take(), ErrNotLeader
	case n.transfer.to != "":
		return n.take(), ErrTransferring
	}
	if to == "" {
		to = n.mostCaughtUp()
	}
	if m, _ := n.config().Member(to); n.progress[to] == nil || m.Suffrage != Voter {
		return n.take(), ErrTransferTarget
	}
	n.transfer = transfer{to: to, deadline: now.Add(n.opts.ElectionTimeout)}
	if n.transfer.deadline.Before(n.deadline) {
		n.deadline = n.transfer.deadline
	}
	return n.take(), nil
}

// mostCaughtUp is the voter that stays, this node aside, whose log reaches furthest; empty: there is none.
func (n *Node) mostCaughtUp() NodeID {
	var best NodeID
	for _, peer := range n.peers {
		if m, _ := n.config().Member(peer); m.Suffrage != Voter {
			continue
		}
		if best == "" || n.progress[peer].match > n.progress[best].match {
			best = peer
		}
	}
	return best
}

// sendTimeoutNow tells the target to campaign once its log is complete.
func (n *Node) sendTimeoutNow(peer NodeID, p *progress) {
	if peer != n.transfer.to || n.transfer.told || p.match < n.log.last().Index {
		return
	}
	n.transfer.told, n.leaseOver = true, true
	ticket := n.ticket()
	n.launch(p, ticket, flight{kind: timeoutNowFlight})
	n.send(peer, ticket, TimeoutNowRequest{Term: n.hard.Term, LeaderID: n.opts.ID})
}

// checkTransfer gives up a transfer that takes too long.
func (n *Node) checkTransfer() {
	if n.transfer.to != "" && !n.now.Before(n.transfer.deadline) && !n.opts.Mutation.Is("transfer-stuck") {
		n.endTransfer(ErrTransferFailed)
	}
}

// endTransfer tells how a transfer ended, if there was one.
func (n *Node) endTransfer(err error) {
	if n.transfer.to != "" {
		n.out.Transfer = &TransferResult{To: n.transfer.to, Err: err}
		n.transfer = transfer{}
	}
}

// handleTimeoutNow campaigns at once, without a pre-vote: the leader asks for it.
func (n *Node) handleTimeoutNow(m Message, req TimeoutNowRequest) {
	n.sendDurable(m.From, m.Ticket, TimeoutNowReply{Identity: n.opts.Identity, Term: n.hard.Term})
	if n.role == Follower && n.mayLead() && req.Term == n.hard.Term && m.From == n.leader {
		n.setLeader("", "")
		n.startElection("transfer")
	}
}
