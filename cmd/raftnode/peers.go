package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"whitewater/pkg/kv"
	"whitewater/pkg/raft/protocol"
)

// member is one entry of --peers.
type member struct {
	id      protocol.NodeID
	address string // how this node dials it
}

// checkDialled refuses members that cannot be told apart, or not be reached.
func (c *config) checkDialled() error {
	var faults []error
	seen := map[string]protocol.NodeID{}
	for _, m := range c.members {
		_, port, err := splitAddress(m.address)
		if m.id == c.raft.ID && port == 0 {
			continue
		}
		if other, taken := seen[m.address]; taken {
			faults = append(faults, fmt.Errorf("--peers gives %s and %s the same address %s: each node has its own", other, m.id, m.address))
		}
		seen[m.address] = m.id
		if err == nil && port == 0 {
			faults = append(faults, fmt.Errorf("--peers gives %s port 0: only this node's own port may be left to the system", m.id))
		}
	}
	return errors.Join(faults...)
}

// parsePeers reads n1=host:port,n2=host:port.
func parsePeers(text string) ([]member, error) {
	var members []member
	var faults []error
	for entry := range strings.SplitSeq(text, ",") {
		name, address, ok := strings.Cut(entry, "=")
		if !ok || !kv.ValidMember(name) {
			faults = append(faults, fmt.Errorf("--peers has %q: write name=host:port, the name up to 32 letters, digits, dots, dashes or underscores", entry))
			continue
		}
		if slices.ContainsFunc(members, func(m member) bool { return m.id == protocol.NodeID(name) }) {
			faults = append(faults, fmt.Errorf("--peers names %s twice: each member once", name))
		}
		if _, _, err := splitAddress(address); err != nil {
			faults = append(faults, fmt.Errorf("--peers has %q: %w", entry, err))
		}
		members = append(members, member{id: protocol.NodeID(name), address: address})
	}
	if len(members) > protocol.MaxMembers {
		faults = append(faults, fmt.Errorf("--peers names %d members: at most %d", len(members), protocol.MaxMembers))
	}
	return members, errors.Join(faults...)
}

// splitAddress reads host:port; the host may be empty or a name, the port is a number.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		var n uint64
		n, err = strconv.ParseUint(text, 10, 16)
		port = int(n)
	}
	if err != nil {
		return "", 0, fmt.Errorf("must be host:port with a port from 0 to 65535")
	}
	return host, port, nil
}

func names(members []member) []string {
	var ids []string
	for _, m := range members {
		ids = append(ids, string(m.id))
	}
	return ids
}

// idList is names in one text, as flags have them.
func idList(ids []protocol.NodeID) string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, string(id))
	}
	return strings.Join(texts, ",")
}
