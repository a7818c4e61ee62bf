package main

import (
	"errors"
	"fmt"
	"slices"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// errOtherVoters marks a directory that began with other voters than the settings name.
var errOtherVoters = errors.New("the data directory began otherwise")

// knowsMembers reports whether a configuration was recovered; it then wins over the settings.
func knowsMembers(state protocol.State) bool {
	return state.Snapshot.Configuration != "" ||
		slices.ContainsFunc(state.Entries, func(e protocol.Entry) bool { return e.Kind == protocol.EntryConfiguration })
}

// checkVoters refuses settings that contradict what the directory began with, as long as nothing in it wins over both.
func (c *config) checkVoters(recovered storage.Recovered) error {
	if knowsMembers(recovered.State) || slices.Equal(recovered.Bootstrap, c.storage.Bootstrap) {
		return nil
	}
	began := func(voters []protocol.NodeID) (what, mend string) {
		if len(voters) == 0 {
			return "joins a cluster", "--join"
		}
		return "begins one of " + idList(voters), "--bootstrap " + idList(voters)
	}
	theirs, mend := began(recovered.Bootstrap)
	ours, _ := began(c.storage.Bootstrap)
	return fmt.Errorf("--data-dir: %w: %s holds a node that %s, by the settings it %s: give %s, or an empty directory",
		errOtherVoters, c.storage.Dir, theirs, ours, mend)
}

// forgotten adds what to do when the cluster knows this node by another directory.
func (c *config) forgotten(err error) error {
	if !errors.Is(err, protocol.ErrForgotten) {
		return err
	}
	id := c.raft.ID
	return fmt.Errorf("%w: its votes and acknowledgements are lost with that one, so it must not come back under its name: "+
		"remove %s and add it again with --join (DELETE /v1/members/%s at the leader, start this node with --join on an empty directory, POST /v1/members)",
		err, id, id)
}

// configured tells the transport where the members are; it is called under the replica's lock.
func (n *node) configured(c protocol.Configuration) {
	addresses := map[protocol.NodeID]string{}
	for _, m := range c.Members {
		addresses[m.ID] = m.Address
	}
	n.transport.SetMembers(addresses)
	select {
	case <-n.configurations: // nobody has looked at the one before
	default:
	}
	n.configurations <- c
}

// watchMembers warns of each name in --peers that is no member, once.
func (n *node) watchMembers() {
	warned := map[protocol.NodeID]bool{}
	for {
		select {
		case c := <-n.configurations:
			for _, m := range n.config.members {
				if _, ok := c.Member(m.id); ok || len(c.Members) == 0 || warned[m.id] {
					continue
				}
				warned[m.id] = true
				n.logger.Warn("--peers names a node that is no member: it counts for nothing until it is added",
					"peer", string(m.id), "members", c.String())
			}
		case <-n.replica.Done():
			return
		}
	}
}
