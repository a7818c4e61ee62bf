package check

import (
	"cmp"
	"context"
	"slices"

	"whitewater/pkg/harness/observe"
)

// leaderCompleteness: what was committed in an earlier term stands in every later leader's log at its
// election (Figure 3, Leader Completeness).
//
// An entry committed by a node whose term was u was committed in u or before, so it concerns leaders of
// terms above u; no clock is needed. What a node appended durably while it led was on its disk before its
// candidacy and is taken as part of its log; entries that no event told of are not judged. What its snapshot covers
// counts as held: state-machine-safety shows that snapshots are of what was committed.
func leaderCompleteness(_ context.Context, run *Run) Finding {
	d := newDocket(run, "leader-completeness")
	d.needEvents()
	committed := run.commitments()
	var reigns []reign
	for _, node := range run.Nodes {
		reigns = append(reigns, reignsOf(run.Events[node])...)
	}
	for _, r := range reigns {
		d.saw(1)
		d.complete(r, committed)
	}
	return d.conclude("no leader was elected", "%d leaders held all of %d entries that were committed before their terms", len(reigns), len(committed))
}

// commitment is an entry that was committed, with the lowest term in which a node said so.
type commitment struct {
	index uint64
	mark  observe.Mark
	term  uint64
	node  string
}

// commitments are all committed entries, ordered by index.
func (r *Run) commitments() []commitment {
	type key struct {
		index uint64
		mark  observe.Mark
	}
	earliest := map[key]commitment{}
	for _, node := range r.Nodes {
		for _, e := range r.Events[node] {
			if e.Event != observe.EventCommit {
				continue
			}
			for i, mark := range e.Entries {
				k := key{e.First + uint64(i), mark}
				if c, seen := earliest[k]; !seen || e.Term < c.term {
					earliest[k] = commitment{index: k.index, mark: mark, term: e.Term, node: node}
				}
			}
		}
	}
	all := make([]commitment, 0, len(earliest))
	for _, c := range earliest {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b commitment) int { return cmp.Compare(a.index, b.index) })
	return all
}

// reign is a node's time as leader, with its log at the election.
type reign struct {
	node  string
	term  uint64
	mono  int64
	until int64 // of the next change of its role; 0: none was seen in this incarnation
	inc   string
	log   nodeLog
}

// reignsOf follows one node's events.
func reignsOf(events []observe.Event) []reign {
	var all []reign
	var log nodeLog
	leads := false
	for _, e := range events {
		log.follow(e)
		if leads && e.Event == observe.EventAppend && e.Durable {
			all[len(all)-1].log.follow(e)
		}
		if e.Event != observe.EventRole && e.Event != observe.EventStart && e.Event != observe.EventStop {
			continue
		}
		if leads && e.Event != observe.EventStart {
			all[len(all)-1].until = e.Mono
		}
		leads = e.Event == observe.EventRole && e.Role == observe.RoleLeader
		if leads {
			all = append(all, reign{
				node: e.Node, term: e.Term, mono: e.Mono, inc: e.Inc,
				log: log.clone(),
			})
		}
	}
	return all
}

func (d *docket) complete(r reign, committed []commitment) {
	for _, c := range committed {
		if c.term >= r.term {
			continue
		}
		held := r.log.at(c.index)
		switch {
		case c.index > r.log.last():
			d.breach(r.mono, r.node, "%s was elected in term %d with a log of %d entries; entry %d (%v) was committed in term %d or before (by %s)",
				r.node, r.term, r.log.last(), c.index, c.mark, c.term, c.node)
			return
		case !held.agrees(slot{mark: c.mark, known: true}):
			d.breach(r.mono, r.node, "%s was elected in term %d with %v as entry %d; %v was committed there in term %d or before (by %s)",
				r.node, r.term, held.mark, c.index, c.mark, c.term, c.node)
			return
		}
	}
}
