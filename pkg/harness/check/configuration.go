package check

import (
	"cmp"
	"slices"
	"strings"

	"whitewater/pkg/harness/observe"
)

// configuration says who the members are.
type configuration struct {
	index   uint64 // where it was said
	joint   bool
	members []observe.Member // ascending by id
}

// told is a configuration as a node told of it.
type told struct {
	configuration
	committed bool
	node      string
	mono      int64
}

func configurationOf(e observe.Event) configuration {
	return configuration{index: e.Index, joint: e.Joint, members: e.Members}
}

// votersOnly is the configuration in which all of these vote.
func votersOnly(nodes []string) configuration {
	var c configuration
	for _, n := range nodes {
		c.members = append(c.members, observe.Member{ID: n, Suffrage: observe.Voter})
	}
	return c
}

// told are all configurations that nodes told of, in order of time. A node that waits to be added knows of none, and
// says so with one that is empty, which is left out.
func (r *Run) told() []told {
	var all []told
	for _, node := range r.Nodes {
		for _, e := range r.Events[node] {
			if e.Event == observe.EventConfiguration && len(e.Members) > 0 {
				all = append(all, told{configurationOf(e), e.Committed, node, e.Mono})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b told) int { return cmp.Compare(a.mono, b.mono) })
	return all
}

// lastConfiguration is the newest that is committed; without any, all nodes are voters.
func (r *Run) lastConfiguration() configuration {
	last, known := configuration{}, false
	for _, t := range r.told() {
		if t.committed && (!known || t.index > last.index) {
			last, known = t.configuration, true
		}
	}
	if !known {
		return votersOnly(r.Nodes)
	}
	return last
}

// inForce are the configurations that may have been in force on some node between two moments: the newest that was
// committed by then, and all newer ones that were told of.
func (r *Run) inForce(all []told, from, to int64) []configuration {
	base, known := configuration{}, false
	for _, t := range all {
		if t.committed && t.mono <= from && (!known || t.index > base.index) {
			base, known = t.configuration, true
		}
	}
	var force []configuration
	if known {
		force = append(force, base)
	}
	for _, t := range all {
		same := func(c configuration) bool { return c.index == t.index && c.same(t.configuration) }
		if t.mono < to && (!known || t.index > base.index) && !slices.ContainsFunc(force, same) {
			force = append(force, t.configuration)
		}
	}
	if len(force) == 0 {
		return []configuration{votersOnly(r.Nodes)}
	}
	return force
}

// same reports whether both say the same of everybody.
func (c configuration) same(other configuration) bool {
	return c.joint == other.joint && slices.Equal(c.members, other.members)
}

// suffrage is a member's; "" for a node that is none.
func (c configuration) suffrage(node string) string {
	for _, m := range c.members {
		if m.ID == node {
			return m.Suffrage
		}
	}
	return ""
}

// halves are the sets of which each must agree by majority (§6).
func (c configuration) halves() [][]string {
	var before, after []string
	for _, m := range c.members {
		if m.Suffrage == observe.Voter || m.Suffrage == observe.Leaving {
			before = append(before, m.ID)
		}
		if m.Suffrage == observe.Voter || m.Suffrage == observe.Joining {
			after = append(after, m.ID)
		}
	}
	if c.joint {
		return [][]string{before, after}
	}
	return [][]string{before}
}

// counts reports whether a node is in some half.
func (c configuration) counts(node string) bool {
	return slices.ContainsFunc(c.halves(), func(half []string) bool { return slices.Contains(half, node) })
}

// majority reports whether the nodes that has holds for are a majority of each half: any two such sets share a node, in
// one configuration and in two that follow each other.
func (c configuration) majority(has func(node string) bool) bool {
	for _, half := range c.halves() {
		count := 0
		for _, node := range half {
			if has(node) {
				count++
			}
		}
		if count <= len(half)/2 {
			return false
		}
	}
	return true
}

// changing reports whether a change of voters is under way.
func (c configuration) changing() bool {
	return slices.ContainsFunc(c.members, func(m observe.Member) bool {
		return m.Suffrage == observe.Joining || m.Suffrage == observe.Leaving
	})
}

// settled makes one kind of changing members voters and drops the other.
func (c configuration) settled(stays, goes string) configuration {
	var next configuration
	for _, m := range c.members {
		switch m.Suffrage {
		case goes:
			continue
		case stays:
			m.Suffrage = observe.Voter
		}
		next.members = append(next.members, m)
	}
	return next
}

// leadsTo reports whether next may follow c: nothing has changed, the change under way takes its next step or is
// taken back, or one begins.
func (c configuration) leadsTo(next configuration) bool {
	switch {
	case c.same(next):
		return true
	case c.joint:
		return next.same(c.settled(observe.Joining, observe.Leaving))
	case c.changing():
		joint := configuration{joint: true, members: c.members}
		return c.hasAny(observe.Joining) && next.same(joint) || next.same(c.settled(observe.Leaving, observe.Joining))
	}
	return c.begins(next)
}

// begins reports whether next begins a change of c, which is settled: voters stay or leave, others come, go or join.
func (c configuration) begins(next configuration) bool {
	for _, m := range c.members {
		if now := next.suffrage(m.ID); m.Suffrage == observe.Voter && now != observe.Voter && now != observe.Leaving {
			return false
		}
	}
	for _, m := range next.members {
		voted := c.suffrage(m.ID) == observe.Voter
		if !voted && m.Suffrage != observe.Learner && m.Suffrage != observe.Joining {
			return false
		}
	}
	return next.joint == (next.changing() && !next.hasAny(observe.Joining))
}

func (c configuration) hasAny(suffrage string) bool {
	return slices.ContainsFunc(c.members, func(m observe.Member) bool { return m.Suffrage == suffrage })
}

func (c configuration) String() string {
	var words []string
	for _, m := range c.members {
		word := m.ID
		if m.Suffrage != observe.Voter {
			word += " (" + m.Suffrage + ")"
		}
		words = append(words, word)
	}
	if c.joint {
		return "joint: " + strings.Join(words, ", ")
	}
	return strings.Join(words, ", ")
}
