package protocol

import (
	"fmt"
	"slices"
)

// A member is its data directory: a node that comes back under its name with another one has lost what it voted and
// acknowledged. The directory enters the configuration before anything of the member's counts; from then on whoever
// answers with another is a stranger.

// isStranger reports whether who answers under a member's name is not that member. A member that no leader has heard yet
// is known by its name alone. Its vote counts, else a cluster could be left without one that can lead.
func (n *Node) isStranger(id NodeID, who Identity) bool {
	m, ok := n.config().Member(id)
	return ok && m.Directory != "" && m.Directory != who.Directory && !n.opts.Mutation.Is("stranger-counts")
}

// mayLead reports whether this node may campaign: as a voter, in the directory by which its log knows it. While the
// configuration in force is not known to be committed, a voter of the one before may be the only one that can (thesis
// §4.2.2).
func (n *Node) mayLead() bool {
	for _, p := range slices.Backward(n.members.chain) {
		m, _ := p.Member(n.opts.ID)
		if p.Votes(n.opts.ID) && (m.Directory == "" || m.Directory == n.opts.Identity.Directory) {
			return true
		}
		if p.index <= n.commitIndex {
			break
		}
	}
	return false
}

// introduce enters into the configuration what a leader has come to know of members: a directory not known yet, another
// address. What cannot stand in a configuration is left out, so that no peer's answer can break one.
func (n *Node) introduce(known map[NodeID]Identity) {
	c, changed := n.config(), false
	for i, m := range c.Members {
		who := known[m.ID]
		if m.Directory == "" {
			m.Directory = who.Directory
		}
		if who.Address != "" {
			m.Address = who.Address
		}
		if m == c.Members[i] {
			continue
		}
		next := Configuration{Joint: c.Joint, Members: slices.Clone(c.Members)}
		next.Members[i] = m
		if next.validate() == nil {
			c, changed = next, true
		}
	}
	if changed {
		n.appendConfiguration(c)
	}
}

// directoryOf is how this node knows a peer's directory.
func (n *Node) directoryOf(id NodeID) string {
	m, _ := n.config().Member(id)
	return m.Directory
}

// misdirected refuses a request that is for another directory than this node's. A node that helped to begin the cluster,
// and that the cluster knows by another directory, has lost its own and must not go on; one that joins waits to be added.
func (n *Node) misdirected(m Message) bool {
	who, to := n.opts.Identity, addressee(m.Body)
	if to == "" || to == who.Directory || n.opts.Mutation.Is("stranger-counts") {
		return false
	}
	if self, _ := n.config().Member(n.opts.ID); len(n.opts.Members) > 0 && self.Directory == "" {
		n.out.Err = fmt.Errorf("%w: %s takes it for %q, this is %q", ErrForgotten, m.From, to, who.Directory)
	} else if to != n.members.warned {
		n.members.warned = to
		n.emit(ProtocolViolated{Peer: m.From, What: fmt.Sprintf("takes this node's directory for %q, it is %q", to, who.Directory)})
	}
	switch req := m.Body.(type) {
	case AppendEntriesRequest:
		n.sendDurable(m.From, m.Ticket, AppendEntriesReply{Identity: who, Term: n.hard.Term})
	case InstallSnapshotRequest:
		n.sendDurable(m.From, m.Ticket, InstallSnapshotReply{Identity: who, Term: n.hard.Term})
	case RequestVoteRequest:
		n.emit(VoteDecided{PreVote: req.PreVote, Candidate: m.From, Decision: NotMember})
		n.sendDurable(m.From, m.Ticket, RequestVoteReply{Identity: who, Term: n.hard.Term})
	}
	return true
}

// addressee is the directory that a request is for; empty: whichever.
func addressee(body Body) string {
	switch req := body.(type) {
	case AppendEntriesRequest:
		return req.ToDirectory
	case InstallSnapshotRequest:
		return req.ToDirectory
	case RequestVoteRequest:
		return req.ToDirectory
	}
	return ""
}
