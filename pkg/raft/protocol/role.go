package protocol

import "fmt"

// Role is what a node is in its term (§5.1), with pre-candidate from thesis §9.6.
type Role uint8

// The roles, in the order of their numbers in metrics.
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

func (r Role) String() string {
	return [...]string{"follower", "pre_candidate", "candidate", "leader"}[r]
}

// Trigger is what can make a role change.
type Trigger string

// The triggers.
const (
	StartPreVote  Trigger = "start_pre_vote" // the election time-out passed, or the leader's connection ended
	StartElection Trigger = "start_election" // the same without pre-vote, or a pre-vote was won
	WinElection   Trigger = "win_election"   // a majority voted for this node
	LoseElection  Trigger = "lose_election"  // a majority refused
	HigherTerm    Trigger = "higher_term"    // a message showed a later term
	LeaderFound   Trigger = "leader_found"   // the term's leader spoke
	GrantVote     Trigger = "grant_vote"     // this node voted for another
	QuorumLost    Trigger = "quorum_lost"    // a leader heard no majority for an election time-out
	Removed       Trigger = "removed"        // a leader committed a configuration without itself
)

// transitions is Figure 4 with pre-vote and check-quorum: what is not in it cannot happen.
var transitions = map[Role]map[Trigger]Role{
	Follower: {
		StartPreVote:  PreCandidate,
		StartElection: Candidate,
		HigherTerm:    Follower,
		LeaderFound:   Follower,
		GrantVote:     Follower,
	},
	PreCandidate: {
		StartPreVote:  PreCandidate,
		StartElection: Candidate,
		LoseElection:  Follower,
		HigherTerm:    Follower,
		LeaderFound:   Follower,
		GrantVote:     Follower,
	},
	Candidate: {
		StartPreVote:  PreCandidate,
		StartElection: Candidate,
		WinElection:   Leader,
		LoseElection:  Follower,
		HigherTerm:    Follower,
		LeaderFound:   Follower,
	},
	Leader: {
		HigherTerm: Follower,
		QuorumLost: Follower,
		Removed:    Follower,
	},
}

// become is the only place that writes the role. State that belongs to one spell in a role is made
// anew here: votes, progress per peer, pending reads (lab note 11).
func (n *Node) become(trigger Trigger) {
	to, ok := transitions[n.role][trigger]
	if !ok {
		panic(fmt.Sprintf("transition table: %v cannot happen to a %v", trigger, n.role))
	}
	from := n.role
	n.role = to
	n.finishElection(from, trigger)
	n.ballot = ballot{}
	n.progress = nil
	if from == Leader {
		n.dropReads()
		n.endTransfer(nil)
		n.endChange(ErrNotLeader)
	}
	if to == Leader {
		n.progress = make(map[NodeID]*progress, len(n.peers))
		n.trackPeers()
	}
	if from != to {
		n.emit(RoleChanged{From: from, To: to, Trigger: trigger, Term: n.hard.Term})
	}
}

// setLeader notes who leads the current term; empty for nobody known.
func (n *Node) setLeader(leader NodeID, url string) {
	n.leaderURL = url
	if n.leader == leader {
		return
	}
	n.leader = leader
	n.failForwardedReads()
	n.emit(LeaderChanged{Term: n.hard.Term, Leader: leader})
}

// adoptTerm enters a later term, in which this node has not voted and knows no leader.
func (n *Node) adoptTerm(term Term) {
	n.saveHardState(HardState{Term: term})
	n.leaderCommit, n.verified = 0, n.commitIndex
	n.suspect = false
	if n.role == Leader {
		n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
	}
	n.setLeader("", "")
	n.become(HigherTerm)
}
