package check

import "whitewater/pkg/harness/observe"

// slot is one place of a log; an unknown one holds an entry that no event told of.
type slot struct {
	mark  observe.Mark
	known bool
}

// nodeLog is a node's log, followed through its events.
type nodeLog struct {
	slots []slot // of index 1, 2, …
}

func (l *nodeLog) last() uint64 { return uint64(len(l.slots)) }

// at is the slot of an index; the zero slot if there is none.
func (l *nodeLog) at(index uint64) slot {
	if index == 0 || index > l.last() {
		return slot{}
	}
	return l.slots[index-1]
}

// follow applies an event.
func (l *nodeLog) follow(e observe.Event) {
	switch e.Event {
	case observe.EventStart:
		// A kill may lose appended entries, and may keep entries whose event it lost, also where a
		// truncation had been told of: beyond what is known, the recovered log is taken as it says it is.
		l.resize(e.Last)
	case observe.EventTruncate:
		if e.From > 0 && e.From <= l.last() {
			l.resize(e.From - 1)
		}
	case observe.EventAppend:
		if l.last() < e.Last {
			l.resize(e.Last)
		}
		for i, mark := range e.Entries {
			l.slots[e.First-1+uint64(i)] = slot{mark: mark, known: true}
		}
	}
}

// maxIndex bounds the logs that are followed: a damaged event must not take all memory.
const maxIndex = 1 << 28

func (l *nodeLog) resize(last uint64) {
	last = min(last, maxIndex)
	for l.last() < last {
		l.slots = append(l.slots, slot{})
	}
	l.slots = l.slots[:last]
}
