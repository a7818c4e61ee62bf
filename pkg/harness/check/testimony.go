package check

import (
	"fmt"
	"slices"

	"whitewater/pkg/harness/observe"
)

// application is the first sighting of an entry that was committed or applied.
type application struct {
	mark   observe.Mark
	node   string
	mono   int64
	source string
}

// applications are all entries that some node said were committed or applied, by index: the first that was said.
func (r *Run) applications() map[uint64]application {
	first := map[uint64]application{}
	for _, node := range r.Nodes {
		for _, e := range r.Events[node] {
			if e.Event != observe.EventCommit && e.Event != observe.EventApply {
				continue
			}
			for i, mark := range e.Entries {
				index := e.First + uint64(i)
				if f, seen := first[index]; !seen || e.Mono < f.mono {
					first[index] = application{mark, node, e.Mono, fmt.Sprintf("%s, event %d of incarnation %s", e.Event, e.Seq, e.Inc)}
				}
			}
		}
	}
	return first
}

// standings are the indexes at which each node's state machine stood between two steps, since when: a snapshot
// can be of these alone.
func (r *Run) standings() map[string]map[uint64]int64 {
	all := map[string]map[uint64]int64{}
	for _, node := range r.Nodes {
		stood := map[uint64]int64{}
		for _, e := range r.Events[node] {
			switch e.Event {
			case observe.EventApply, observe.EventSnapshot, observe.EventInstall:
				if since, known := stood[e.Last]; !known || e.Mono < since {
					stood[e.Last] = e.Mono
				}
			}
		}
		all[node] = stood
	}
	return all
}

// stoodAt reports whether another node's state machine stood at an index before a moment: its snapshot may
// have come from there.
func stoodAt(standings map[string]map[uint64]int64, other string, index uint64, before int64) bool {
	for node, stood := range standings {
		if since, known := stood[index]; known && node != other && since <= before {
			return true
		}
	}
	return false
}

// toldElsewhere reports whether another node than this one told of an entry of that index and term.
func (r *Run) toldElsewhere(node string, p place) bool {
	for _, other := range r.Nodes {
		if other == node {
			continue
		}
		for _, e := range r.Events[other] {
			switch e.Event {
			case observe.EventAppend:
				if e.First <= p.index && p.index <= e.Last && e.Entries[p.index-e.First].Term() == p.term {
					return true
				}
			case observe.EventSnapshot, observe.EventInstall, observe.EventStart:
				if e.Last == p.index && e.LastTerm == p.term {
					return true
				}
			}
		}
	}
	return false
}

// life is the events of one process.
type life struct {
	events []observe.Event
	again  bool // the node had one before, on this disk
	wiped  bool // it is the first since the disk was wiped
	told   bool // all that the node itself had done before this one was told: nothing was lost to a kill
}

// lives are a node's processes.
func (r *Run) lives(node string) []life {
	var all []life
	for _, events := range eventsByProcess(r.Events[node]) {
		l := life{events: events}
		if n := len(all); n > 0 {
			before := all[n-1]
			if l.wiped = r.wipedBetween(node, before.events[len(before.events)-1].Mono, events[0].Mono); l.wiped {
				all = append(all, l) // all that was before is gone
				continue
			}
			stopped := before.events[len(before.events)-1].Event == observe.EventStop
			// What a start found shows with its first commit, so it takes one to make up for a kill.
			l.again, l.told = true, stopped && (before.told || !before.again || before.commits())
		}
		all = append(all, l)
	}
	return all
}

func (l life) commits() bool {
	return slices.ContainsFunc(l.events, func(e observe.Event) bool { return e.Event == observe.EventCommit })
}
