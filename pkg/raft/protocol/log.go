package protocol

import (
	"fmt"
	"sort"
)

// raftLog holds the entries behind a position that a snapshot covers, or from index 1 on. Entries that have
// left it may live on in slices handed out earlier: nothing is ever overwritten in place.
type raftLog struct {
	compacted Position // of the entry right before the first
	entries   []Entry
}

func newLog(compacted Position, entries []Entry) (raftLog, error) {
	l := raftLog{compacted: compacted}
	for _, e := range entries {
		if e.Index != l.last().Index+1 || e.Term < l.last().Term {
			return raftLog{}, fmt.Errorf("recovered log: entry %v follows %v", e.Position(), l.last())
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

// first is the index of the first entry that the log holds, or would hold.
func (l *raftLog) first() Index { return l.compacted.Index + 1 }

// last is the position of the last entry; that before the first for a log without entries.
func (l *raftLog) last() Position {
	if len(l.entries) == 0 {
		return l.compacted
	}
	return l.entries[len(l.entries)-1].Position()
}

// term is the term of the entry at i: 0 for index 0; ok is false behind the end and where the log is compacted.
func (l *raftLog) term(i Index) (term Term, ok bool) {
	switch {
	case i == 0:
		return 0, true
	case i == l.compacted.Index:
		return l.compacted.Term, true
	case i < l.compacted.Index || i > l.last().Index:
		return 0, false
	}
	return l.entries[i-l.first()].Term, true
}

// position is where the log stands at i, whose term it must know.
func (l *raftLog) position(i Index) Position {
	term, ok := l.term(i)
	if !ok {
		panic(fmt.Sprintf("LogMatching: position %d asked of a log from %v to %v", i, l.compacted, l.last()))
	}
	return Position{Term: term, Index: i}
}

// slice returns the entries first..last, both included, as a view that later appends leave alone.
func (l *raftLog) slice(first, last Index) []Entry {
	if first > last {
		return nil
	}
	from, to := first-l.first(), last+1-l.first()
	return l.entries[from:to:to]
}

// DataBytes is the size of what entries carry, in bytes.
func DataBytes(entries []Entry) int {
	size := 0
	for _, e := range entries {
		size += len(e.Data)
	}
	return size
}

// batch returns entries from first on: at most count of them and at most size bytes of data, but always one.
func (l *raftLog) batch(first Index, count, size int) []Entry {
	end, bytes := first, 0 // end is the index behind the batch
	for ; end <= l.last().Index && int(end-first) < count; end++ {
		bytes += len(l.entries[end-l.first()].Data)
		if end > first && bytes > size {
			break
		}
	}
	return l.slice(first, end-1)
}

// extends reports whether l is seen at once to be an earlier state of itself with entries added, if any: it begins in the same
// memory, which is never overwritten. It may be so and not be seen.
func (l *raftLog) extends(earlier raftLog) bool {
	return l.compacted == earlier.compacted && len(earlier.entries) > 0 && len(l.entries) >= len(earlier.entries) && &l.entries[0] == &earlier.entries[0]
}

func (l *raftLog) append(entries ...Entry) { l.entries = append(l.entries, entries...) }

// truncate cuts from and everything behind it. The capacity goes too, so that an append copies
// rather than overwrites what others still read.
func (l *raftLog) truncate(from Index) {
	keep := from - l.first()
	l.entries = l.entries[:keep:keep]
}

// compact drops the entries up to i. What is left is copied, so that the memory of the rest is freed.
func (l *raftLog) compact(i Index) {
	at := l.position(i)
	l.entries = append([]Entry(nil), l.entries[i-l.compacted.Index:]...)
	l.compacted = at
}

// firstOfTerm is the first index held that has term, which the entry at i has.
func (l *raftLog) firstOfTerm(i Index, term Term) Index {
	if i < l.first() {
		return i
	}
	held := l.entries[:i-l.compacted.Index]
	return l.first() + Index(sort.Search(len(held), func(k int) bool { return held[k].Term >= term }))
}

// lastUpToTerm is the last index at or below i, and not below where the log is compacted, whose term is at most term;
// where the log is compacted if there is none.
func (l *raftLog) lastUpToTerm(i Index, term Term) Index {
	i = max(l.compacted.Index, min(i, l.last().Index))
	held := l.entries[:i-l.compacted.Index]
	return l.compacted.Index + Index(sort.Search(len(held), func(k int) bool { return held[k].Term > term }))
}
