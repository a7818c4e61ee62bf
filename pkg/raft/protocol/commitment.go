package protocol

import "cmp"

// advanceCommit is the leader's commit rule (§5.3, §5.4.2): an entry that a majority holds durably is
// committed, if it is of the current term; all before it are committed with it.
func (n *Node) advanceCommit() {
	index := majorityValue(n.members.halves, func(id NodeID) Index {
		if id == n.opts.ID {
			if n.opts.Mutation.Is("commit-self-unsynced") {
				return n.log.last().Index
			}
			return n.disk.durable
		}
		return n.progress[id].match
	}, cmp.Compare[Index])
	term, ok := n.log.term(index)
	// Figure 8: an older term's entry on a majority may still be overwritten.
	if !ok || term != n.hard.Term && !n.opts.Mutation.Is("commit-old-term") {
		return
	}
	n.commitTo(index)
	n.registerWaitingReads()
	n.finishReads() // fewer voters may be enough now
	n.advanceChange()
}

// commitTo moves the commit index forward, never back.
func (n *Node) commitTo(index Index) {
	if n.opts.Mutation.Is("commit-falls") {
		n.commitIndex = max(n.snapshot.Index, min(n.commitIndex, index))
	}
	if index <= n.commitIndex {
		return
	}
	entries := n.log.slice(n.commitIndex+1, index)
	n.commitIndex = index
	n.pendingBytes = max(0, n.pendingBytes-DataBytes(entries))
	n.emit(EntriesCommitted{Term: n.hard.Term, Role: n.role, Entries: entries})
	n.configCommitted(entries[0].Index - 1)
}
