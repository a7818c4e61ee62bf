package protocol

import (
	"fmt"
	"time"
)

// directory is the id of a server's present data directory.
func (s *server) directory(id NodeID) string { return fmt.Sprintf("%s/%d", id, s.wipes) }

// change gives a node a change of members and tells whether it took it.
func (c *cluster) change(id NodeID, change Change) bool {
	var refusal error
	c.input(id, func(n *Node) Output {
		var out Output
		out, refusal = n.Change(c.now, change)
		return out
	})
	return c.nodes[id].up && refusal == nil
}

// changeMembers asks the leader for some change: one added, one removed, both, or the one under way taken back. A member
// that lost its disk is removed first.
func (c *cluster) changeMembers() {
	leader := c.leader()
	if leader == "" {
		return
	}
	if c.wiped != "" {
		c.removeWiped(leader)
		return
	}
	var change Change
	config := c.nodes[leader].config()
	kind := c.rand.IntN(4)
	for _, i := range c.rand.Perm(len(c.ids)) {
		m, member := config.Member(c.ids[i])
		switch {
		case !member && kind != 1 && len(change.Add) == 0:
			change.Add = []Member{{ID: c.ids[i], Suffrage: []Suffrage{Voter, Voter, Learner}[c.rand.IntN(3)]}}
		case member && kind == 3 && m.Suffrage == Joining, member && kind > 0 && kind < 3 && len(change.Remove) == 0 && len(config.Members) > 2:
			change.Remove = []NodeID{c.ids[i]}
		case member && kind == 0 && m.Suffrage == Learner && len(change.Add) == 0:
			change.Add = []Member{{ID: c.ids[i]}}
		}
	}
	if kind == 3 {
		change.Add = nil
	}
	if c.change(leader, change) {
		c.changes++
	}
}

// wipe loses a member's disk, one at a time and only where a majority of the others remains; it comes back empty and
// waits to be added.
func (c *cluster) wipe(id NodeID, options func(*Options)) {
	leader := c.leader()
	if leader == "" || c.wiped != "" {
		return
	}
	s := c.nodes[leader].Status()
	m, member := s.Configuration.Member(id)
	if !s.ConfigurationCommitted || s.Configuration.Changing() || len(s.Configuration.halves()[0]) < 3 || !member || m.Directory == "" {
		return
	}
	if c.nodes[id].up {
		c.crash(id)
	}
	c.wiped = id
	c.loseDisk(id)
	c.nodes[id].joins = true
	c.start(id, options)
}

// loseDisk leaves a node that is down with an empty directory, which has another id.
func (c *cluster) loseDisk(id NodeID) {
	c.nodes[id].durable = State{}
	c.nodes[id].wipes++
}

// removeWiped has the leader remove the member that lost its disk.
func (c *cluster) removeWiped(leader NodeID) {
	if m, member := c.nodes[leader].config().Member(c.wiped); !member || m.Directory == c.nodes[c.wiped].directory(c.wiped) {
		if c.nodes[leader].Status().ConfigurationCommitted {
			c.wiped = ""
		}
		return
	}
	c.change(leader, Change{Remove: []NodeID{c.wiped}})
}

// replaceWiped removes the member that lost its disk, if there is one, so that the rest can agree.
func (c *cluster) replaceWiped(d time.Duration) {
	for end := c.now.Add(d); c.wiped != "" && c.now.Before(end); c.run(50 * time.Millisecond) {
		if leader := c.leader(); leader != "" {
			c.removeWiped(leader)
		}
	}
	if c.wiped != "" {
		c.fail("%s, whose disk is lost, could not be removed", c.wiped)
	}
}
