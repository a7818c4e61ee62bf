package check

import (
	"context"
	"fmt"

	"whitewater/pkg/harness/observe"
)

// logMatching: logs that hold an entry of the same index and term hold the same entry there and the same
// entries before it (Figure 3, Log Matching). Terms never fall along a log, and a leader never cuts its own
// (Leader Append-Only).
//
// Each entry appended anywhere is compared by (index, term): its checksum, and the entry before it. By
// induction that covers all before. Different tails at equal indices are legal while their terms differ.
// The nodes' final logs are compared in the same way. A log that begins behind a snapshot is compared from there on,
// its first entry with the term at which the snapshot ends. No append leaves a hole behind the log's end.
func logMatching(_ context.Context, run *Run) Finding {
	d := newDocket(run, "log-matching")
	d.needEvents()
	m := matcher{docket: d, first: map[place]sighting{}}
	for _, node := range run.Nodes {
		var log nodeLog
		role, inc := "", "" // inc: of the process whose start is known, and with it the log's end
		for _, e := range run.Events[node] {
			if e.Event == observe.EventTruncate && role == observe.RoleLeader {
				d.breach(e.Mono, node, "%s cut its own log from entry %d while it led (event %d of incarnation %s)", node, e.From, e.Seq, e.Inc)
			}
			switch e.Event {
			case observe.EventRole:
				role = e.Role
			case observe.EventStart:
				role = ""
			}
			if e.Event == observe.EventAppend && e.First > log.last()+1 && e.Inc == inc {
				d.breach(e.Mono, node, "%s appended entry %d behind entry %d (event %d of incarnation %s)", node, e.First, log.last(), e.Seq, e.Inc)
			}
			if e.Event == observe.EventStart {
				inc = e.Inc
			}
			log.follow(e)
			if e.Event == observe.EventAppend {
				source := fmt.Sprintf("event %d of incarnation %s", e.Seq, e.Inc)
				for index := e.First; index <= e.Last; index++ {
					m.compare(&log, index, sighting{node: node, mono: e.Mono, source: source})
				}
			}
		}
		m.compareFinal(node, &log)
	}
	return d.conclude("nothing was appended", "%d entries compared, equal wherever index and term are", d.seen)
}

// place names an entry as Log Matching does.
type place struct{ index, term uint64 }

// sighting is an entry as one node held it, with the entry before it.
type sighting struct {
	node, source string
	mono         int64
	mark         observe.Mark
	before       slot
}

type matcher struct {
	docket *docket
	first  map[place]sighting
}

// compare holds the log's entry at an index against the first sighting of its place.
func (m *matcher) compare(log *nodeLog, index uint64, s sighting) {
	here := log.at(index)
	if !here.known || here.bare {
		return
	}
	s.mark, s.before = here.mark, log.at(index-1)
	m.docket.saw(1)
	if s.before.known && s.before.mark.Term() > s.mark.Term() {
		m.docket.breach(s.mono, s.node, "the log of %s falls from term %d to %d at entry %d (%s)", s.node, s.before.mark.Term(), s.mark.Term(), index, s.source)
	}
	p := place{index: index, term: s.mark.Term()}
	first, seen := m.first[p]
	switch {
	case !seen:
		m.first[p] = s
	case first.mark != s.mark:
		m.docket.breach(s.mono, s.node, "entry %d of term %d has checksum %08x on %s (%s) and %08x on %s (%s)",
			index, p.term, s.mark.Checksum(), s.node, s.source, first.mark.Checksum(), first.node, first.source)
	case !first.before.agrees(s.before):
		m.docket.breach(s.mono, s.node, "entry %d of term %d follows %v on %s (%s) and %v on %s (%s)",
			index, p.term, s.before, s.node, s.source, first.before, first.node, first.source)
	case s.before.tells(first.before):
		m.first[p] = s
	}
}

// compareFinal compares a node's log as it stood at the end; told is what its events said of it.
func (m *matcher) compareFinal(node string, told *nodeLog) {
	final := m.docket.run.Logs[node]
	var log nodeLog
	if final.First > 1 {
		log.resize(final.First - 1)
		log.slots[log.last()-1] = told.at(log.last()) // what stood before the first
	}
	for i, e := range final.Entries {
		if e.Index != final.First+uint64(i) {
			m.docket.breach(0, node, "the final log of %s has entry %d in the place of %d", node, e.Index, final.First+uint64(i))
			return
		}
		log.slots = append(log.slots, slot{mark: observe.Mark{e.Term, uint64(e.Checksum)}, known: true})
		m.compare(&log, e.Index, sighting{node: node, mono: m.docket.run.End, source: "final log"})
	}
}
