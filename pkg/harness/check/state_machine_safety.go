package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// stateMachineSafety: no two nodes, and no two lives of one, apply (or commit) different entries at an
// index (Figure 3, State Machine Safety). Each process commits and applies one entry after the other, from
// entry 1 or from where its snapshot ends; a snapshot is of entries that were applied.
//
// Entries may be left out in two places alone: behind an install, up to its end, and behind a start, up to the
// newest snapshot that the node told of. A kill may take the event of a newer one: then the entry at which it ends
// must be one at which a state machine stood before, and the node must show a snapshot that reaches there.
func stateMachineSafety(_ context.Context, run *Run) Finding {
	d := newDocket(run, "state-machine-safety")
	d.needEvents()
	s := safety{docket: d, first: run.applications(), standings: run.standings(), whole: len(d.doubts) == 0}
	for _, node := range run.Nodes {
		s.snapshot, s.committed = 0, 0
		for _, l := range run.lives(node) {
			if l.wiped {
				s.snapshot, s.committed = 0, 0
			}
			s.life(l)
		}
	}
	return d.conclude("nothing was applied", "%d entries, each the same wherever it was committed or applied", len(s.first))
}

type safety struct {
	docket    *docket
	first     map[uint64]application
	standings map[string]map[uint64]int64
	whole     bool   // every node's events are there
	snapshot  uint64 // of the node at hand: the newest that it told of, or was seen to start from
	committed uint64 // of the node at hand: what it told was committed
}

// sequence is how far one process has committed, or applied.
type sequence struct {
	verb  string
	last  uint64
	begun bool // last is known: the first event behind a start shows where its snapshot ends
}

// life judges one process.
func (s *safety) life(l life) {
	committed, applied := sequence{verb: "committed"}, sequence{verb: "applied"}
	for _, e := range l.events {
		switch e.Event {
		case observe.EventCommit:
			s.step(&committed, l, e)
		case observe.EventApply:
			s.step(&applied, l, e)
			s.docket.saw(len(e.Entries))
		case observe.EventSnapshot:
			s.ofApplied(e)
			s.snapshot = max(s.snapshot, e.Last)
		case observe.EventInstall:
			s.ofApplied(e)
			for _, q := range []*sequence{&committed, &applied} {
				q.last, q.begun = max(q.last, e.Last), true
			}
			s.committed = max(s.committed, e.Last)
			s.snapshot = max(s.snapshot, e.Last)
		}
	}
}

// step judges one commit or apply event.
func (s *safety) step(q *sequence, l life, e observe.Event) {
	before := e.First - 1
	switch {
	case q.begun && before != q.last:
		s.docket.breach(e.Mono, e.Node, "%s %s entry %d after entry %d (event %d of incarnation %s)", e.Node, q.verb, e.First, q.last, e.Seq, e.Inc)
	case !q.begun && before != s.snapshot && !s.untold(l, before):
		s.docket.breach(e.Mono, e.Node, "%s %s entry %d first after its start, though its snapshot reaches entry %d (event %d of incarnation %s)",
			e.Node, q.verb, e.First, s.snapshot, e.Seq, e.Inc)
	case !q.begun:
		s.snapshot = before
	}
	q.last, q.begun = e.Last, true
	s.committed = max(s.committed, e.Last)
	for i, mark := range e.Entries {
		index := e.First + uint64(i)
		if f := s.first[index]; f.mark != mark {
			s.docket.breach(e.Mono, e.Node, "entry %d is %v on %s (%s, event %d of incarnation %s) and %v on %s (%s)",
				index, mark, e.Node, e.Event, e.Seq, e.Inc, f.mark, f.node, f.source)
		}
	}
}

// untold reports whether a process may have started from a newer snapshot than its node had told of: its
// predecessor ended between storing one, or installing a leader's, and telling so.
func (s *safety) untold(l life, index uint64) bool {
	start := l.events[0]
	if !l.again || start.Event != observe.EventStart || index < s.snapshot || index+1 < start.First || index > start.Last {
		return false
	}
	since, own := s.standings[start.Node][index]
	own = own && since < start.Mono && !l.told
	// A leader's snapshot is installed only if it ends behind what is committed here.
	leaders := index > s.committed && stoodAt(s.standings, start.Node, index, start.Mono)
	return (own || leaders) && s.shown(l, index)
}

// shown reports whether the first page of metrics of a process shows a snapshot that reaches an index, if there is a page.
func (s *safety) shown(l life, index uint64) bool {
	from, to := l.events[0].Mono, l.events[len(l.events)-1].Mono
	for _, sample := range s.docket.run.Samples[l.events[0].Node] {
		value, has := sample.Series["raft_snapshot_index"]
		if has && sample.Mono > from && sample.Mono < to {
			return uint64(value) >= index
		}
	}
	return true
}

// ofApplied judges the end of a snapshot: an entry that somebody had applied before.
func (s *safety) ofApplied(e observe.Event) {
	f, seen := s.first[e.Last]
	switch {
	case seen && f.mark.Term() != e.LastTerm:
		s.docket.breach(e.Mono, e.Node, "%s has a snapshot up to entry %d of term %d (%s, event %d of incarnation %s); that entry is %v on %s (%s)",
			e.Node, e.Last, e.LastTerm, e.Event, e.Seq, e.Inc, f.mark, f.node, f.source)
	case s.whole && (!seen || f.mono > e.Mono):
		s.docket.breach(e.Mono, e.Node, "%s has a snapshot up to entry %d of term %d (%s, event %d of incarnation %s), which nobody had committed",
			e.Node, e.Last, e.LastTerm, e.Event, e.Seq, e.Inc)
	}
}
