package protocol

import (
	"fmt"
	"sort"
)

// raftLog holds the entries from index 1 on. Entries that have left it may live on in slices handed out
// earlier: nothing is ever overwritten in place.
type raftLog struct {
	entries []Entry
}

func newLog(entries []Entry) (raftLog, error) {
	var l raftLog
	for _, e := range entries {
		if e.Index != l.last().Index+1 || e.Term < l.last().Term {
			return raftLog{}, fmt.Errorf("recovered log: entry %v follows %v", e.Position(), l.last())
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

// last is the position of the last entry; zero for an empty log.
func (l *raftLog) last() Position {
	if len(l.entries) == 0 {
		return Position{}
	}
	return l.entries[len(l.entries)-1].Position()
}

// term is the term of the entry at i: 0 for index 0, and ok is false behind the end.
func (l *raftLog) term(i Index) (term Term, ok bool) {
	if i == 0 {
		return 0, true
	}
	if i > Index(len(l.entries)) {
		return 0, false
	}
	return l.entries[i-1].Term, true
}

// position is where the log stands at i, which must not be behind the end.
func (l *raftLog) position(i Index) Position {
	term, ok := l.term(i)
	if !ok {
		panic(fmt.Sprintf("LogMatching: position %d asked of a log that ends at %v", i, l.last()))
	}
	return Position{Term: term, Index: i}
}

// slice returns the entries first..last, both included, as a view that later appends leave alone.
func (l *raftLog) slice(first, last Index) []Entry {
	if first > last {
		return nil
	}
	return l.entries[first-1 : last : last]
}

// batch returns entries from first on: at most count of them and at most size bytes of data, but always one.
func (l *raftLog) batch(first Index, count, size int) []Entry {
	end, bytes := first, 0 // end is the index behind the batch
	for ; end <= l.last().Index && int(end-first) < count; end++ {
		bytes += len(l.entries[end-1].Data)
		if end > first && bytes > size {
			break
		}
	}
	return l.slice(first, end-1)
}

func (l *raftLog) append(entries ...Entry) { l.entries = append(l.entries, entries...) }

// truncate cuts from and everything behind it. The capacity goes too, so that an append copies
// rather than overwrites what others still read.
func (l *raftLog) truncate(from Index) { l.entries = l.entries[: from-1 : from-1] }

// firstOfTerm is the first index that holds term, which the entry at i has.
func (l *raftLog) firstOfTerm(i Index, term Term) Index {
	return Index(sort.Search(int(i), func(k int) bool { return l.entries[k].Term >= term })) + 1
}

// lastUpToTerm is the last index at or below i whose term is at most term; 0 if there is none.
func (l *raftLog) lastUpToTerm(i Index, term Term) Index {
	i = min(i, l.last().Index)
	return Index(sort.Search(int(i), func(k int) bool { return l.entries[k].Term > term }))
}
