package protocol

import (
	"cmp"
	"fmt"
)

// Checkpoint is a node's state before one input, for Check to compare with.
type Checkpoint struct {
	hard        HardState
	role        Role
	commitIndex Index
	applied     Index
	log         raftLog
}

// Checkpoint notes the present state. It costs next to nothing.
func (n *Node) Checkpoint() Checkpoint {
	return Checkpoint{n.hard, n.role, n.commitIndex, n.lastApplied, n.log}
}

// Check returns what is wrong with the state by itself, and with how one input changed it, under the name of the property
// that it breaks. It looks only at what the input touched: whoever calls it calls it after each.
func (n *Node) Check(before Checkpoint) error {
	if err := n.checkState(); err != nil {
		return err
	}
	if err := n.checkStep(before); err != nil {
		return err
	}
	return n.checkLog(before)
}

// TermAt is the term of the entry at an index; ok is false where the log holds none, or no more.
func (n *Node) TermAt(i Index) (term Term, ok bool) { return n.log.term(i) }

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
	for peer, p := range n.progress {
		if p.next <= p.match || p.match > last.Index || p.next > last.Index+1 {
			return fmt.Errorf("progress of %s: match %d, next %d, log ends at %v", peer, p.match, p.next, last)
		}
	}
	return nil
}

// checkStep looks at what may only move one way.
func (n *Node) checkStep(before Checkpoint) error {
	switch {
	case n.hard.Term < before.hard.Term:
		return fmt.Errorf("ElectionSafety: term fell from %d to %d", before.hard.Term, n.hard.Term)
	case n.hard.Term == before.hard.Term && before.hard.VotedFor != "" && n.hard.VotedFor != before.hard.VotedFor:
		return fmt.Errorf("ElectionSafety: voted for %s and %s in term %d", before.hard.VotedFor, cmp.Or(n.hard.VotedFor, "nobody"), n.hard.Term)
	case n.commitIndex < before.commitIndex:
		return fmt.Errorf("StateMachineSafety: commit index fell from %d to %d", before.commitIndex, n.commitIndex)
	case n.lastApplied < before.applied:
		return fmt.Errorf("StateMachineSafety: applied fell from %d to %d", before.applied, n.lastApplied)
	}
	if n.role == Leader && n.commitIndex > before.commitIndex {
		if term, _ := n.log.term(n.commitIndex); term != n.hard.Term {
			return fmt.Errorf("LeaderCompleteness: leader of term %d committed %d of term %d by counting", n.hard.Term, n.commitIndex, term)
		}
	}
	return nil
}

// checkLog looks at the part of the log that one input may have changed.
func (n *Node) checkLog(before Checkpoint) error {
	log, from := n.log.entries, 0
	if n.log.extends(before.log) {
		from = len(before.log.entries)
	} else if err := n.checkKept(before); err != nil {
		return err
	}
	last := n.log.compacted
	if from > 0 {
		last = log[from-1].Position()
	}
	for _, e := range log[from:] {
		if e.Index != last.Index+1 || e.Term < last.Term {
			return fmt.Errorf("LogMatching: %v follows %v", e.Position(), last)
		}
		last = e.Position()
	}
	return nil
}

// checkKept looks for entries that must not be gone.
func (n *Node) checkKept(before Checkpoint) error {
	stays, property := before.commitIndex, "LeaderCompleteness"
	if before.role == Leader && n.role == Leader {
		stays, property = before.log.last().Index, "LeaderAppendOnly"
	}
	for i := max(before.log.first(), n.log.first()); i <= stays; i++ {
		was := before.log.position(i)
		if term, ok := n.log.term(i); !ok || term != was.Term {
			return fmt.Errorf("%s: entry %v is gone", property, was)
		}
	}
	return nil
}
