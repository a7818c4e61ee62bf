package check

import (
	"cmp"
	"context"
	"slices"

	"whitewater/pkg/harness/observe"
)

// membership: members change as joint consensus has it (§6). Four things of it:
//
//   - a committed configuration is the same on every node that tells of it;
//   - each follows from the one before: catching up, joint, done, or taken back;
//   - a leader begins a step only once the one before is committed (taking a change back is no step);
//   - leaders are elected, and entries committed, by a majority of each half of the configuration in force on
//     that leader at that moment. A node whose disk was wiped counts only once it was removed and added again.
//
// What a node says of a vote, or of an entry on its disk, it has told before it answers, so nothing that could have
// been counted is missing. A wiped node whose directory the members did not know yet is known by its name alone, and
// counts. Several changes at once in one entry, and members whose address changes, are legal.
func membership(_ context.Context, run *Run) Finding {
	d := newDocket(run, "membership")
	d.needEvents()
	committed := d.committedConfigurations()
	d.follow(committed)
	for _, node := range run.Nodes {
		d.oneAtATime(run.Events[node])
	}
	b := ballots{docket: d, committed: committed, nodes: map[string]*ballotNode{}, votes: map[place]map[string]int64{}}
	for _, e := range run.byTime() {
		b.event(e)
	}
	return d.conclude("no configuration was told of", "%d configurations committed, each in its turn; %d elections and %d commits by their majorities",
		len(committed), b.elections, b.commits)
}

// committedConfigurations are those that were committed, by index: somebody said so, or said so of the entry that a leader
// had made of one. A node that finds two of them committed tells of the last alone.
func (d *docket) committedConfigurations() []told {
	first := map[uint64]told{}
	for _, t := range slices.Concat(d.run.told(), d.run.committedEntries()) {
		if !t.committed {
			continue
		}
		d.saw(1)
		before, seen := first[t.index]
		switch {
		case !seen:
			first[t.index] = t
		case !before.same(t.configuration):
			d.breach(t.mono, t.node, "the members as of entry %d are %v on %s, and %v on %s", t.index, t.configuration, t.node, before.configuration, before.node)
		}
	}
	all := make([]told, 0, len(first))
	for _, t := range first {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b told) int { return cmp.Compare(a.index, b.index) })
	return all
}

// committedEntries are the configurations of leaders whose entries were committed in the end.
func (r *Run) committedEntries() []told {
	agreed := r.applications()
	var all []told
	for _, node := range r.Nodes {
		var log nodeLog
		leads := false
		for _, e := range r.Events[node] {
			switch e.Event {
			case observe.EventStart:
				leads = false
			case observe.EventRole:
				leads = e.Role == observe.RoleLeader
			}
			log.follow(e)
			// A leader tells of the entry first, then of what it says.
			own := leads && e.Event == observe.EventConfiguration && !e.Committed && e.Index > 0
			if entry := log.at(e.Index); own && entry.known && !entry.bare && entry.mark == agreed[e.Index].mark {
				all = append(all, told{configurationOf(e), true, node, e.Mono})
			}
		}
	}
	return all
}

// follow judges each committed configuration by the one before.
func (d *docket) follow(committed []told) {
	for i, next := range committed {
		if i > 0 && !committed[i-1].leadsTo(next.configuration) {
			before := committed[i-1]
			d.breach(next.mono, next.node, "the members became %v with entry %d (told by %s), and were %v as of entry %d: no step of a change leads there",
				next.configuration, next.index, next.node, before.configuration, before.index)
		}
	}
}

// step is a configuration in a node's log.
type step struct {
	configuration
	from uint64 // it began at this entry at the earliest; 0: it says the same as the one before, or that is not known
}

// oneAtATime judges one node's steps as leader. As a follower it may have got several configurations at once and tell
// only of the last, so from when that one's change is, is a guess in its favour.
func (d *docket) oneAtATime(events []observe.Event) {
	var chain []step
	committed, leads := uint64(0), false
	for _, e := range events {
		switch e.Event {
		case observe.EventStart:
			chain, committed, leads = nil, 0, false
		case observe.EventRole:
			leads = e.Role == observe.RoleLeader
		case observe.EventCommit, observe.EventInstall:
			committed = max(committed, e.Last)
		case observe.EventConfiguration:
			if e.Committed {
				committed = max(committed, e.Index)
			}
			chain = d.step(chain, e, committed, leads)
		}
	}
}

func (d *docket) step(chain []step, e observe.Event, committed uint64, leads bool) []step {
	for len(chain) > 0 && chain[len(chain)-1].index > e.Index {
		chain = chain[:len(chain)-1] // the log was cut
	}
	next := step{configuration: configurationOf(e)}
	if len(chain) == 0 {
		return append(chain, next)
	}
	before := chain[len(chain)-1]
	if before.index == e.Index {
		return chain
	}
	if !before.same(next.configuration) {
		next.from = before.index + 1
	}
	back := before.changing() && !before.joint && next.same(before.settled(observe.Leaving, observe.Joining))
	if leads && next.from > 0 {
		next.from = e.Index
		for _, s := range chain {
			if s.from > committed && !back {
				d.breach(e.Mono, e.Node, "%s made the members %v with entry %d, while it knew entries up to %d to be committed: the step before, to %v with entry %d, was not",
					e.Node, next.configuration, e.Index, committed, s.configuration, s.index)
				break
			}
		}
	}
	return append(chain, next)
}
