package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"whitewater/pkg/raft/protocol"
)

const (
	localRPCPort = 7101 // of n1; the others follow
	httpPortStep = 1000 // from a node's RPC port to its HTTP port
	maxLocal     = 9
	maxMembers   = 25
)

// derive fills in the settings that follow from others, and reports every one that is missing or malformed.
func (c *config) derive(f *pflag.FlagSet) error {
	if err := c.derivePeers(f); err != nil {
		return err
	}
	members, err := parsePeers(c.peers)
	if err != nil {
		return err
	}
	c.members = members
	own := slices.IndexFunc(members, func(m member) bool { return m.id == c.raft.ID })
	if own < 0 {
		return fmt.Errorf("--id %q is not a member: use one of %s, or add it to --peers", c.raft.ID, strings.Join(names(members), ", "))
	}
	c.addresses = map[protocol.NodeID]string{}
	for _, m := range members {
		c.raft.Members = append(c.raft.Members, m.id)
		if m.id != c.raft.ID {
			c.addresses[m.id] = m.address
		}
	}
	slices.Sort(c.raft.Members)
	c.storage.NodeID = c.raft.ID
	return errors.Join(
		c.deriveRest(f, members[own].address),
		c.checkDialled(),
	)
}

// derivePeers turns --local into --peers.
func (c *config) derivePeers(f *pflag.FlagSet) error {
	local, peers := c.sources["local"] != "default", c.peers != ""
	switch {
	case c.raft.ID == "":
		return errors.New("--id is missing: name this node, as in --id n1")
	case local && peers:
		return errors.New("--local and --peers are both given: use one of them")
	case !local && !peers:
		return errors.New("--peers is missing: name every member, as in --peers n1=127.0.0.1:7101, or use --local 3")
	case !local:
		return nil
	case c.local < 1 || c.local > maxLocal:
		return fmt.Errorf("--local %d must be from 1 to %d", c.local, maxLocal)
	}
	var entries []string
	for i := range c.local {
		entries = append(entries, fmt.Sprintf("n%d=127.0.0.1:%d", i+1, localRPCPort+i))
	}
	return c.set(f, "peers", strings.Join(entries, ","), fmt.Sprintf("--local %d", c.local))
}

// deriveRest fills in what has a default that depends on the members.
func (c *config) deriveRest(f *pflag.FlagSet, ownAddress string) error {
	var faults []error
	fill := func(name, value, source string) {
		if f.Lookup(name).Value.String() == "" {
			faults = append(faults, c.set(f, name, value, source))
		}
	}
	fill("rpc-listen", ownAddress, "own entry of --peers")
	host, port, err := splitAddress(c.rpcListen)
	if err != nil {
		return fmt.Errorf("--rpc-listen %q: %w", c.rpcListen, err)
	}
	if port != 0 {
		port += httpPortStep
	}
	fill("http-listen", net.JoinHostPort(host, strconv.Itoa(port)), "--rpc-listen, port + 1000")
	if _, _, err := splitAddress(c.httpListen); err != nil {
		faults = append(faults, fmt.Errorf("--http-listen %q: %w", c.httpListen, err))
	}
	fill("data-dir", "./"+string(c.raft.ID)+".raft", "--id")
	sum := sha256.Sum256([]byte(strings.Join(sortedNames(c.members), ",")))
	fill("cluster-id", hex.EncodeToString(sum[:8]), "hash of the members' names")
	return errors.Join(faults...)
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
		if !ok || !validName(name) {
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
	if len(members) > maxMembers {
		faults = append(faults, fmt.Errorf("--peers names %d members: at most %d", len(members), maxMembers))
	}
	return members, errors.Join(faults...)
}

func validName(name string) bool {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	return name != "" && len(name) <= 32 && strings.IndexFunc(name, func(r rune) bool { return !allowed(r) }) < 0
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

func sortedNames(members []member) []string {
	ids := names(members)
	slices.Sort(ids)
	return ids
}
