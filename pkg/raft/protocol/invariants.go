package protocol

import "fmt"

// checkState returns what is wrong with one state by itself, under the name of the property that it breaks.
func (n *Node) checkState() error {
	last := n.log.last()
	switch {
	case last.Term > n.hard.Term:
		return fmt.Errorf("LogMatching: last entry %v is of a later term than %d", last, n.hard.Term)
	case n.commitIndex > last.Index:
		return fmt.Errorf("LeaderCompleteness: commit index %d is behind the end, %v", n.commitIndex, last)
	case n.lastApplied > n.commitIndex:
		return fmt.Errorf("StateMachineSafety: applied %d of %d committed", n.lastApplied, n.commitIndex)
	case n.disk.durable > last.Index:
		return fmt.Errorf("LogMatching: durable %d of a log that ends at %v", n.disk.durable, last)
	case n.log.compacted.Index > n.snapshot.Index || n.snapshot.Index > n.commitIndex:
		return fmt.Errorf("LeaderCompleteness: compacted to %v, snapshot at %v, committed %d", n.log.compacted, n.snapshot.Position, n.commitIndex)
	case n.role == Leader && n.leader != n.opts.ID:
		return fmt.Errorf("ElectionSafety: leads, and takes %q for the leader", n.leader)
	}
	for _, peer := range n.peers {
		if n.role == Leader && n.progress[peer] == nil {
			return fmt.Errorf("progress: leads %q and does not track %s", n.peers, peer)
		}
	}
	before := n.log.compacted
	for _, e := range n.log.entries {
		if e.Index != before.Index+1 || e.Term < before.Term {
			return fmt.Errorf("LogMatching: %v follows %v", e.Position(), before)
		}
		before = e.Position()
	}
	for peer, p := range n.progress {
		if p.next <= p.match || p.match > last.Index || p.next > last.Index+1 {
			return fmt.Errorf("progress of %s: match %d, next %d, log ends at %v", peer, p.match, p.next, last)
		}
	}
	return nil
}

// snapshotOf is what checkStep compares: the state before one input.
type snapshotOf struct {
	hard        HardState
	role        Role
	commitIndex Index
	applied     Index
	log         raftLog
}

func (n *Node) snapshotState() snapshotOf {
	return snapshotOf{n.hard, n.role, n.commitIndex, n.lastApplied, n.log}
}

// checkStep returns what is wrong with how one input changed the state.
func (n *Node) checkStep(before snapshotOf) error {
	switch {
	case n.hard.Term < before.hard.Term:
		return fmt.Errorf("ElectionSafety: term fell from %d to %d", before.hard.Term, n.hard.Term)
	case n.hard.Term == before.hard.Term && before.hard.VotedFor != "" && n.hard.VotedFor != before.hard.VotedFor:
		return fmt.Errorf("ElectionSafety: voted for %s and %s in term %d", before.hard.VotedFor, n.hard.VotedFor, n.hard.Term)
	case n.commitIndex < before.commitIndex:
		return fmt.Errorf("StateMachineSafety: commit index fell from %d to %d", before.commitIndex, n.commitIndex)
	case n.lastApplied < before.applied:
		return fmt.Errorf("StateMachineSafety: applied fell from %d to %d", before.applied, n.lastApplied)
	}
	stays := before.commitIndex // LeaderCompleteness
	if before.role == Leader && n.role == Leader {
		stays = before.log.last().Index // LeaderAppendOnly
	}
	for i := max(before.log.first(), n.log.first()); i <= stays; i++ {
		was := before.log.position(i)
		if term, ok := n.log.term(i); !ok || term != was.Term {
			return fmt.Errorf("LeaderAppendOnly, LeaderCompleteness: entry %v is gone", was)
		}
	}
	if n.role == Leader && n.commitIndex > before.commitIndex {
		if term, _ := n.log.term(n.commitIndex); term != n.hard.Term {
			return fmt.Errorf("LeaderCompleteness: leader of term %d committed %d of term %d by counting", n.hard.Term, n.commitIndex, term)
		}
	}
	return nil
}
