package check

import (
	"fmt"
	"slices"

	"whitewater/pkg/harness/observe"
)

// slot is one place of a log; an unknown one holds an entry that no event told of, or one that a leader's
// snapshot covers.
type slot struct {
	mark  observe.Mark
	known bool
	bare  bool // only its term is known
}

func (s slot) String() string {
	if s.bare {
		return fmt.Sprintf("an entry of term %d", s.mark.Term())
	}
	return s.mark.String()
}

// agrees reports whether both may be the same entry.
func (s slot) agrees(other slot) bool {
	switch {
	case !s.known || !other.known:
		return true
	case s.bare || other.bare:
		return s.mark.Term() == other.mark.Term()
	}
	return s.mark == other.mark
}

// tells reports whether s says more of an entry than other does.
func (s slot) tells(other slot) bool {
	return s.known && (!other.known || other.bare && !s.bare)
}

// nodeLog is a node's log, followed through its events. What a snapshot of the node's own covers stays
// known: it held that once.
type nodeLog struct {
	slots     []slot // of index 1, 2, …
	begins    uint64 // the log begins behind this index
	snapshot  uint64 // up to here reach the snapshots that it told of
	committed uint64 // highest index that it told was committed, in any of its lives
}

func (l *nodeLog) last() uint64 { return uint64(len(l.slots)) }

// at is the slot of an index; the zero slot if there is none.
func (l *nodeLog) at(index uint64) slot {
	if index == 0 || index > l.last() {
		return slot{}
	}
	return l.slots[index-1]
}

func (l *nodeLog) clone() nodeLog {
	c := *l
	c.slots = slices.Clone(l.slots)
	return c
}

// maxIndex bounds the logs that are followed: a damaged event must not take all memory.
const maxIndex = 1 << 28

// follow applies an event.
func (l *nodeLog) follow(e observe.Event) {
	if e.Last > maxIndex {
		return
	}
	switch e.Event {
	case observe.EventWipe:
		*l = nodeLog{}
	case observe.EventStart:
		l.recover(e)
	case observe.EventTruncate:
		if e.From > 0 && e.From <= l.last() {
			l.resize(e.From - 1)
		}
	case observe.EventAppend:
		l.resize(max(l.last(), e.Last))
		for i, mark := range e.Entries {
			l.slots[e.First-1+uint64(i)] = slot{mark: mark, known: true}
		}
	case observe.EventCommit:
		l.committed = max(l.committed, e.Last)
	case observe.EventSnapshot:
		l.begins, l.snapshot = max(l.begins, e.First), max(l.snapshot, e.Last)
	case observe.EventInstall:
		l.install(e)
	}
}

// install puts a leader's snapshot in the place of the log.
func (l *nodeLog) install(e observe.Event) {
	l.forget()
	l.resize(e.Last)
	if e.Last > 0 {
		l.slots[e.Last-1] = slot{mark: observe.Mark{e.LastTerm}, known: true, bare: true}
	}
	l.begins, l.snapshot = e.Last, max(l.snapshot, e.Last)
}

// recover takes the log as a start says that it is. A kill may lose entries, and may lose the events of what had
// become durable: appended entries, others in their place, a compaction, an install.
func (l *nodeLog) recover(e observe.Event) {
	begins := max(e.First, 1) - 1
	if begins > l.begins || !l.continues(e) {
		l.forget()
	}
	l.begins = begins
	l.resize(e.Last)
	if e.Last > 0 && !l.at(e.Last).known {
		l.slots[e.Last-1] = slot{mark: observe.Mark{e.LastTerm}, known: true, bare: true}
	}
}

// continues reports whether the log of a start has the entries that were told of, as far as it goes. It has
// if the last that both have is of the term of the start's last (Log Matching): one leader made both.
func (l *nodeLog) continues(e observe.Event) bool {
	both := l.at(min(l.last(), e.Last))
	return l.last() == 0 || e.Last == 0 || both.known && both.mark.Term() == e.LastTerm
}

// forget makes unknown what is not known to be committed: other entries may stand there.
func (l *nodeLog) forget() {
	for i := min(l.committed, l.last()); i < l.last(); i++ {
		l.slots[i] = slot{}
	}
}

func (l *nodeLog) resize(last uint64) {
	for l.last() < last {
		l.slots = append(l.slots, slot{})
	}
	l.slots = l.slots[:last]
}
