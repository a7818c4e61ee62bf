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
// The nodes' final logs are compared in the same way.
func logMatching(_ context.Context, run *Run) Finding {
	d := newDocket(run, "log-matching")
	d.needEvents()
	m := matcher{docket: d, first: map[place]sighting{}}
	for _, node := range run.Nodes {
		var log nodeLog
		role := ""
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
			log.follow(e)
			if e.Event == observe.EventAppend {
				source := fmt.Sprintf("event %d of incarnation %s", e.Seq, e.Inc)
				for index := e.First; index <= e.Last; index++ {
					m.compare(&log, index, sighting{node: node, mono: e.Mono, source: source})
				}
			}
		}
		m.compareFinal(node)
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
	if !here.known {
		return
	}
	s.mark, s.before = here.mark, log.at(index-1)
	m.docket.saw(1)
	if s.before.known && s.before.mark.Term() > s.mark.Term() {
		m.docket.breach(s.mono, s.node, "the log of %s falls from term %d to %d at entry %d (%s)", s.node, s.before.mark.Term(), s.mark.Term(), index, s.source)
	}
	p := place{index: index, term: s.mark.Term()}
	first, seen := m.first[p]
	if !seen || !first.before.known && s.before.known && first.mark == s.mark {
		m.first[p] = s
		return
	}
	if first.mark != s.mark {
		m.docket.breach(s.mono, s.node, "entry %d of term %d has checksum %08x on %s (%s) and %08x on %s (%s)",
			index, p.term, s.mark.Checksum(), s.node, s.source, first.mark.Checksum(), first.node, first.source)
	} else if first.before.known && s.before.known && first.before != s.before {
		m.docket.breach(s.mono, s.node, "entry %d of term %d follows %v on %s (%s) and %v on %s (%s)",
			index, p.term, s.before.mark, s.node, s.source, first.before.mark, first.node, first.source)
	}
}

// compareFinal compares a node's log as it stood at the end.
func (m *matcher) compareFinal(node string) {
	var log nodeLog
	for i, e := range m.docket.run.Logs[node] {
		if e.Index != uint64(i)+1 {
			m.docket.breach(0, node, "the final log of %s has entry %d in place %d", node, e.Index, i+1)
			return
		}
		log.slots = append(log.slots, slot{mark: observe.Mark{e.Term, uint64(e.Checksum)}, known: true})
		m.compare(&log, e.Index, sighting{node: node, mono: m.docket.run.End, source: "final log"})
	}
}
