package protocol

import (
	"slices"
	"time"
)

// disk tracks what storage has been asked to save and what it has saved.
type disk struct {
	issued      uint64  // number of the last batch
	pending     []batch // issued and not yet durable, oldest first
	durable     Index   // the log is on disk up to here
	changedFrom Index   // first index changed since the last batch; 0: none
	cut         Index   // lowest index at which the log was cut since the last batch; 0: nowhere
	hardChanged bool
	voted       bool         // the vote is among the changes
	install     SnapshotMeta // took the place of the log since the last batch; zero: none
	compact     Position     // the log was compacted up to here since the last batch; zero: it was not
}

// batch remembers what one Persist holds.
type batch struct {
	number  uint64
	term    Term
	entries []Entry
	last    Index  // the last of its entries that is still in the log
	cut     Index  // the log was cut here before its entries; 0: it was not
	vote    NodeID // a vote it makes durable; empty: none
	leader  bool   // its entries are a leader's own
	install SnapshotMeta
}

// issue makes a batch of what has changed since the last one.
func (n *Node) issue() *Persist {
	d := &n.disk
	if d.changedFrom == 0 && !d.hardChanged && d.install.IsZero() && d.compact == (Position{}) {
		return nil
	}
	d.issued++
	b := batch{number: d.issued, term: n.hard.Term, cut: d.cut, leader: n.role == Leader, install: d.install, last: d.install.Index}
	persist := &Persist{Number: b.number, HardState: n.hard, Install: d.install, Compact: d.compact}
	if d.changedFrom != 0 {
		b.entries = n.log.slice(d.changedFrom, n.log.last().Index)
		b.last = n.log.last().Index
	}
	if d.voted {
		b.vote = n.hard.VotedFor
	}
	d.pending = append(d.pending, b)
	persist.Entries = b.entries
	d.changedFrom, d.cut, d.hardChanged, d.voted = 0, 0, false, false
	d.install, d.compact = SnapshotMeta{}, Position{}
	return persist
}

// Persisted tells that the batch of this number, and all before it, are durable.
func (n *Node) Persisted(now time.Time, number uint64) Output {
	n.now = now
	saved := 0
	for saved < len(n.disk.pending) && n.disk.pending[saved].number <= number {
		n.credit(n.disk.pending[saved])
		saved++
	}
	n.disk.pending = slices.Delete(n.disk.pending, 0, saved)
	if n.role == Leader {
		n.advanceCommit()
	} else {
		n.followCommit()
	}
	return n.take()
}

// credit counts exactly what one batch made durable: its vote, and those of its entries that no later
// cut has removed.
func (n *Node) credit(b batch) {
	n.disk.durable = max(n.disk.durable, b.last)
	if b.vote != "" {
		n.emit(VoteCast{Term: b.term, Candidate: b.vote})
	}
	if !b.install.IsZero() {
		n.emit(SnapshotInstalled{Term: b.term, Meta: b.install})
	}
	if b.cut != 0 {
		n.emit(LogTruncated{Term: b.term, From: b.cut})
	}
	switch count := len(b.entries); {
	case count == 0:
	case b.leader:
		n.emit(EntriesDurable{Term: b.term, First: b.entries[0].Index, Last: b.entries[count-1].Index})
	default:
		n.emit(EntriesAppended{Term: b.term, Entries: b.entries, Durable: true})
	}
	if b.vote == n.opts.ID && n.role == Candidate && n.hard.Term == b.term {
		n.vote(n.opts.ID, n.opts.Identity, true)
	}
}

// saveHardState marks term and vote as changed.
func (n *Node) saveHardState(hard HardState) {
	n.disk.voted = hard.VotedFor != "" && hard != n.hard
	n.hard = hard
	n.disk.hardChanged = true
}

// appendOwn adds an entry of a leader's own.
func (n *Node) appendOwn(kind EntryKind, data []byte) {
	e := Entry{Index: n.log.last().Index + 1, Term: n.hard.Term, Kind: kind, Data: data}
	n.log.append(e)
	n.changed(e.Index)
	n.pendingBytes += len(data)
	n.emit(EntriesAppended{Term: n.hard.Term, Entries: []Entry{e}})
	n.adopt(e)
}

// appendFollowed adds a leader's entries, which the log ends right before.
func (n *Node) appendFollowed(entries []Entry) {
	n.log.append(entries...)
	n.changed(entries[0].Index)
	n.adopt(entries...)
}

// truncate cuts the log from an index on, and what was promised to be durable with it.
func (n *Node) truncate(from Index) {
	n.log.truncate(from)
	n.dropConfigs(from)
	n.disk.durable = min(n.disk.durable, from-1)
	for i := range n.disk.pending {
		n.disk.pending[i].last = min(n.disk.pending[i].last, from-1)
	}
	if n.disk.changedFrom >= from {
		n.disk.changedFrom = 0
	}
	if n.disk.cut == 0 || from < n.disk.cut {
		n.disk.cut = from
	}
}

func (n *Node) changed(from Index) {
	if n.disk.changedFrom == 0 || from < n.disk.changedFrom {
		n.disk.changedFrom = from
	}
}

// forget drops the whole log: a snapshot takes its place, and nothing is durable until that is.
func (n *Node) forget(meta SnapshotMeta) {
	n.log = raftLog{compacted: meta.Position}
	n.disk.durable, n.disk.changedFrom, n.disk.cut = 0, 0, 0
	for i := range n.disk.pending {
		n.disk.pending[i].last = 0
	}
	n.disk.install = meta
}
