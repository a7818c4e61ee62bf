package protocol

import "slices"

// advanceCommit is the leader's commit rule (§5.3, §5.4.2): an entry that a majority holds durably is
// committed, if it is of the current term; all before it are committed with it.
func (n *Node) advanceCommit() {
	held := make([]Index, 0, len(n.opts.Members))
	held = append(held, n.disk.durable)
	for _, p := range n.progress {
		held = append(held, p.match)
	}
	index := quorumValue(held, n.quorum())
	term, ok := n.log.term(index)
	// Figure 8: an older term's entry on a majority may still be overwritten.
	if !ok || term != n.hard.Term && !n.opts.Mutation.Is("commit-old-term") {
		return
	}
	n.commitTo(index)
	n.registerWaitingReads()
}

// commitTo moves the commit index forward, never back.
func (n *Node) commitTo(index Index) {
	if index <= n.commitIndex {
		return
	}
	entries := n.log.slice(n.commitIndex+1, index)
	n.commitIndex = index
	n.emit(EntriesCommitted{Term: n.hard.Term, Role: n.role, Entries: entries})
}

// quorumValue is the highest value that at least quorum of values reach. It sorts values.
func quorumValue[T ~uint64](values []T, quorum int) T {
	slices.Sort(values)
	return values[len(values)-quorum]
}
