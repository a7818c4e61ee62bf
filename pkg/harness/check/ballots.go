package check

import (
	"slices"
	"strings"

	"whitewater/pkg/harness/observe"
)

// ballots count, in order of time, who had voted for whom and what stood on whose disk.
type ballots struct {
	docket    *docket
	committed []told
	nodes     map[string]*ballotNode
	votes     map[place]map[string]int64 // by term and candidate (as a number): who voted, when
	ids       []string                   // candidates by their number

	elections, commits int
}

// ballotNode is what one node has said of itself by now.
type ballotNode struct {
	log     nodeLog
	durable uint64        // up to here the log is on disk
	force   configuration // in force
	known   bool          // force is
	wiped   *told         // its disk was taken at this moment, when this was the newest committed configuration; nil: never
}

func (b *ballots) node(id string) *ballotNode {
	if b.nodes[id] == nil {
		b.nodes[id] = &ballotNode{}
	}
	return b.nodes[id]
}

func (b *ballots) event(e observe.Event) {
	n := b.node(e.Node)
	switch e.Event {
	case observe.EventWipe:
		*n = ballotNode{wiped: n.wiped}
		if e.Directory != "" {
			n.wiped = b.newest(e.Mono)
		}
	case observe.EventStart:
		n.durable, n.known = e.Last, false
	case observe.EventAppend:
		if e.Durable {
			n.durable = max(n.durable, e.Last)
		}
	case observe.EventDurable:
		n.durable = max(n.durable, e.Last)
	case observe.EventTruncate:
		n.durable = min(n.durable, max(e.From, 1)-1)
	case observe.EventInstall:
		n.durable = e.Last
	case observe.EventConfiguration:
		n.force, n.known = configurationOf(e), true
	case observe.EventVote:
		b.vote(e)
	case observe.EventRole:
		b.elected(n, e)
	case observe.EventCommit:
		b.commit(n, e)
	}
	n.log.follow(e)
}

// newest is the newest configuration that was known to be committed at a moment.
func (b *ballots) newest(mono int64) *told {
	newest := &told{}
	for i, t := range b.committed {
		if t.mono <= mono {
			newest = &b.committed[i]
		}
	}
	return newest
}

// isStranger reports whether a node has lost its disk since it became a member. It has become one again if a committed
// configuration since then was without it.
func (b *ballots) isStranger(id string, c configuration) bool {
	wiped := b.node(id).wiped
	if wiped == nil || wiped.suffrage(id) == "" {
		return false
	}
	return !slices.ContainsFunc(b.committed, func(t told) bool {
		return t.index > wiped.index && t.index <= c.index && t.suffrage(id) == ""
	})
}

// ballot names a candidacy.
func (b *ballots) ballot(term uint64, candidate string) place {
	i := slices.Index(b.ids, candidate)
	if i < 0 {
		i = len(b.ids)
		b.ids = append(b.ids, candidate)
	}
	return place{index: uint64(i), term: term}
}

func (b *ballots) vote(e observe.Event) {
	if !e.Granted {
		return
	}
	p := b.ballot(e.Term, e.Candidate)
	if b.votes[p] == nil {
		b.votes[p] = map[string]int64{}
	}
	b.votes[p][e.Node] = e.Mono
}

// elected judges who won an election, by whose votes.
func (b *ballots) elected(n *ballotNode, e observe.Event) {
	if e.Role != observe.RoleLeader || !n.known {
		return
	}
	b.elections++
	votes := b.votes[b.ballot(e.Term, e.Node)]
	has := func(id string) bool { _, voted := votes[id]; return voted }
	if voters := b.who(n.force, has); !n.force.majority(func(id string) bool { return slices.Contains(voters, id) }) {
		b.docket.breach(e.Mono, e.Node, "%s was elected in term %d by %s%s: that is no majority of the members as of entry %d, %v",
			e.Node, e.Term, list(voters), b.strangers(n.force, has), n.force.index, n.force)
	}
}

// commit judges by whom a leader's newest entry was held when it was committed.
func (b *ballots) commit(n *ballotNode, e observe.Event) {
	if e.Role != observe.RoleLeader || !n.known || len(e.Entries) == 0 {
		return
	}
	b.commits++
	entry := slot{mark: e.Entries[len(e.Entries)-1], known: true}
	has := func(id string) bool {
		holder := b.node(id)
		return holder.durable >= e.Last && holder.log.at(e.Last).agrees(entry)
	}
	if holders := b.who(n.force, has); !n.force.majority(func(id string) bool { return slices.Contains(holders, id) }) {
		b.docket.breach(e.Mono, e.Node, "%s committed entry %d, which was on the disks of %s%s: that is no majority of the members as of entry %d, %v",
			e.Node, e.Last, list(holders), b.strangers(n.force, has), n.force.index, n.force)
	}
}

// who are the members that count and that has holds for.
func (b *ballots) who(c configuration, has func(string) bool) []string {
	var ids []string
	for _, m := range c.members {
		if has(m.ID) && !b.isStranger(m.ID, c) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// strangers names those that has holds for and that must not count, for a line of evidence.
func (b *ballots) strangers(c configuration, has func(string) bool) string {
	var ids []string
	for _, m := range c.members {
		if has(m.ID) && b.isStranger(m.ID, c) {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return " (and of " + list(ids) + ", whose disk was wiped since it became a member)"
}

func list(ids []string) string {
	if len(ids) == 0 {
		return "nobody"
	}
	return strings.Join(ids, ", ")
}
