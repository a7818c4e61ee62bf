package check

import "whitewater/pkg/harness/observe"

// restart holds what the processes of one node found against what those before had told.
type restart struct {
	docket    *docket
	committed map[uint64]application
	standings map[string]map[uint64]int64
	log       nodeLog
	durable   uint64 // the log was on disk up to here
	floor     uint64 // and began behind here
	applied   uint64
}

// restarts compares what each process recovered with what the one before had told was durable.
func (d *docket) restarts() {
	committed, standings := d.run.applications(), d.run.standings()
	for _, node := range d.run.Nodes {
		r := restart{docket: d, committed: committed, standings: standings}
		for _, l := range d.run.lives(node) {
			if l.wiped {
				r = restart{docket: d, committed: committed, standings: standings}
			}
			for _, e := range l.events {
				r.event(l, e)
			}
		}
	}
}

func (r *restart) event(l life, e observe.Event) {
	switch {
	case e.Event == observe.EventStart:
		if l.again {
			r.beginning(l, e)
			r.end(e)
		}
		r.durable, r.floor = e.Last, max(r.floor, max(e.First, 1)-1)
	case e.Event == observe.EventAppend && e.Durable, e.Event == observe.EventDurable:
		r.durable = max(r.durable, e.Last)
	case e.Event == observe.EventTruncate:
		r.durable = min(r.durable, max(e.From, 1)-1)
	case e.Event == observe.EventInstall:
		r.durable, r.floor = e.Last, max(r.floor, e.Last)
	case e.Event == observe.EventApply:
		r.applied = max(r.applied, e.Last)
	}
	r.log.follow(e)
}

// beginning judges where a recovered log begins. It may begin before the index last told of: that compaction was
// not on disk yet. It may begin behind it if a kill took the event: of a compaction of its own, below what it had
// applied, or of an install.
func (r *restart) beginning(l life, e observe.Event) {
	begins := max(e.First, 1) - 1
	own := !l.told && begins <= r.applied
	leaders := begins > r.log.committed && stoodAt(r.standings, e.Node, begins, e.Mono)
	switch {
	case begins < r.floor:
		r.docket.breach(e.Mono, e.Node, "%s restarted with a log that begins with entry %d; it had begun with entry %d before (incarnation %s)",
			e.Node, begins+1, r.floor+1, e.Inc)
	case begins > r.log.begins && !own && !leaders:
		r.docket.breach(e.Mono, e.Node, "%s restarted with a log that begins with entry %d; its predecessor told of one that begins with entry %d, and no snapshot explains the rest (incarnation %s)",
			e.Node, begins+1, r.log.begins+1, e.Inc)
	}
}

// end judges how far a recovered log reaches, and its last entry's term.
func (r *restart) end(e observe.Event) {
	held := r.log.at(e.Last)
	switch {
	case r.replaced(held, e):
	case e.Last < r.durable:
		r.docket.breach(e.Mono, e.Node, "%s restarted with a log of %d entries; its predecessor told that %d were durable (incarnation %s)",
			e.Node, e.Last, r.durable, e.Inc)
	case e.Last > 0 && e.Last <= r.durable && held.known && held.mark.Term() != e.LastTerm:
		r.docket.breach(e.Mono, e.Node, "%s restarted with entry %d of term %d; its predecessor had told of term %d (incarnation %s)",
			e.Node, e.Last, e.LastTerm, held.mark.Term(), e.Inc)
	}
}

// replaced reports whether a later leader's entries, or its snapshot, can have taken the place of the log's end, and a kill
// the event of it: the new last entry is of a later term and told of by another node, and nothing that is gone was committed.
func (r *restart) replaced(held slot, e observe.Event) bool {
	if held.known && held.mark.Term() >= e.LastTerm || !r.docket.run.toldElsewhere(e.Node, place{e.Last, e.LastTerm}) {
		return false
	}
	for index := e.Last; index <= r.durable; index++ {
		gone, agreed := r.log.at(index), r.committed[index]
		if gone.known && agreed.node != "" && gone.agrees(slot{mark: agreed.mark, known: true}) {
			return false
		}
	}
	return true
}
