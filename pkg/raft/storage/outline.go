package storage

import (
	"slices"
	"sort"

	"whitewater/pkg/raft/protocol"
)

// outline is what of the log stays in memory: where it begins, where it ends, where its terms change.
type outline struct {
	compacted protocol.Position // the log begins behind it
	last      protocol.Index
	runs      []run // ascending
}

// run is a stretch of entries of one term, up to where the next run begins.
type run struct {
	first protocol.Index
	term  protocol.Term
}

func newOutline(compacted protocol.Position, entries []protocol.Entry) outline {
	o := outline{compacted: compacted, last: compacted.Index}
	for _, e := range entries {
		o.put(e.Position())
	}
	return o
}

func (o *outline) clone() outline {
	c := *o
	c.runs = slices.Clone(o.runs)
	return c
}

// put replaces the entry at p's index and all behind it. The index is at most one past the last.
func (o *outline) put(p protocol.Position) {
	for len(o.runs) > 0 && o.runs[len(o.runs)-1].first >= p.Index {
		o.runs = o.runs[:len(o.runs)-1]
	}
	if n := len(o.runs); n == 0 || o.runs[n-1].term != p.Term {
		o.runs = append(o.runs, run{p.Index, p.Term})
	}
	o.last = p.Index
}

// reset drops the log: it begins behind p.
func (o *outline) reset(p protocol.Position) { *o = outline{compacted: p, last: p.Index} }

// compact drops the entries up to p, which the log holds.
func (o *outline) compact(p protocol.Position) {
	o.compacted = p
	kept := sort.Search(len(o.runs), func(i int) bool { return o.runs[i].first > p.Index })
	o.runs = slices.Delete(o.runs, 0, max(kept-1, 0))
}

// holds reports whether the log has an entry at p, or begins right behind it.
func (o *outline) holds(p protocol.Position) bool {
	if p.Index <= o.compacted.Index {
		return p == o.compacted
	}
	i := sort.Search(len(o.runs), func(i int) bool { return o.runs[i].first > p.Index })
	return p.Index <= o.last && i > 0 && o.runs[i-1].term == p.Term
}
