package protocol

import (
	"fmt"
	"slices"
	"strings"
)

// Change asks for other members. All of it happens at once: with joint consensus no step of it can leave the cluster
// without a majority that both the old and the new one contain.
type Change struct {
	Add    []Member // each a Learner, or, by default, to become a Voter once it has caught up; Directory is ignored
	Remove []NodeID
}

// begin is the first configuration of a change. Joining members have to catch up first; without any, a change of voters
// is joint at once, and one of learners alone is over.
func (c Configuration) begin(change Change) (Configuration, error) {
	if len(change.Add)+len(change.Remove) == 0 {
		return c, fmt.Errorf("%w: nobody is to be added or removed", ErrChange)
	}
	next := Configuration{Members: slices.Clone(c.Members)}
	for _, id := range change.Remove {
		i := next.find(id)
		switch {
		case i < 0:
			return c, fmt.Errorf("%w: %q is no member", ErrChange, id)
		case next.Members[i].Suffrage == Leaving:
			return c, fmt.Errorf("%w: %q is to be removed twice", ErrChange, id)
		case next.Members[i].Suffrage == Learner:
			next.Members = slices.Delete(next.Members, i, i+1)
		default:
			next.Members[i].Suffrage = Leaving
		}
	}
	for _, m := range change.Add {
		if err := next.add(m); err != nil {
			return c, err
		}
	}
	slices.SortFunc(next.Members, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	joining := slices.ContainsFunc(next.Members, func(m Member) bool { return m.Suffrage == Joining })
	next.Joint = next.Changing() && !joining
	if len(next.finished().halves()[0]) == 0 {
		return c, fmt.Errorf("%w: no voter would be left", ErrChange)
	}
	if err := next.validate(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrChange, err)
	}
	return next, nil
}

// add adds a member, or makes a learner a voter.
func (c *Configuration) add(m Member) error {
	suffrage := Joining
	if m.Suffrage == Learner {
		suffrage = Learner
	}
	switch i := c.find(m.ID); {
	case i < 0:
		c.Members = append(c.Members, Member{ID: m.ID, Suffrage: suffrage, Address: m.Address})
	case c.Members[i].Suffrage == Learner && suffrage == Joining:
		c.Members[i].Suffrage = Joining
		if m.Address != "" {
			c.Members[i].Address = m.Address
		}
	default:
		return fmt.Errorf("%w: %q is a member already (%s)", ErrChange, m.ID, c.Members[i].Suffrage)
	}
	return nil
}

// joint follows once the joining members have caught up.
func (c Configuration) joint() Configuration {
	return Configuration{Joint: true, Members: slices.Clone(c.Members)}
}

// finished follows once the joint configuration is committed.
func (c Configuration) finished() Configuration {
	return c.settled(Joining, Leaving)
}

// abandoned takes a change back that is not joint yet.
func (c Configuration) abandoned() Configuration {
	return c.settled(Leaving, Joining)
}

// settled makes one kind of changing member voters and drops the other.
func (c Configuration) settled(stays, goes Suffrage) Configuration {
	var next Configuration
	for _, m := range c.Members {
		switch m.Suffrage {
		case goes:
			continue
		case stays:
			m.Suffrage = Voter
		}
		next.Members = append(next.Members, m)
	}
	return next
}

// cancels reports whether a change takes back the one that is under way: it removes nobody but joining members.
func (c Configuration) cancels(change Change) bool {
	if c.Joint || len(change.Add) > 0 || len(change.Remove) == 0 {
		return false
	}
	return !slices.ContainsFunc(change.Remove, func(id NodeID) bool {
		m, _ := c.Member(id)
		return m.Suffrage != Joining
	})
}
