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

	"whitewater/pkg/kv"
	"whitewater/pkg/raft/protocol"
)

const (
	localRPCPort = 7101 // of n1; the others follow
	httpPortStep = 1000 // from a node's RPC port to its HTTP port
	maxLocal     = 9

	// derivedCluster is the source of a cluster id that nobody gave: a directory's own wins over it.
	derivedCluster = "hash of the first voters' names"
)

// derive fills in the settings that follow from others, and reports every one that is missing or malformed.
func (c *config) derive(f *pflag.FlagSet) error {
	if err := c.derivePeers(f); err != nil {
		return err
	}
	var err error
	if c.peers != "" {
		if c.members, err = parsePeers(c.peers); err != nil {
			return err
		}
	}
	if err := c.deriveVoters(f); err != nil {
		return err
	}
	c.addresses = map[protocol.NodeID]string{}
	var own string
	for _, m := range c.members {
		if m.id == c.raft.ID {
			own = m.address
			continue
		}
		c.addresses[m.id] = m.address
	}
	c.storage.NodeID = c.raft.ID
	return errors.Join(
		c.deriveRest(f, own),
		c.checkDialled(),
	)
}

// derivePeers turns --local into --peers.
func (c *config) derivePeers(f *pflag.FlagSet) error {
	local, peers := c.sources["local"] != "default", c.peers != ""
	switch {
	case c.raft.ID == "":
		return errors.New("--id is missing: name this node, as in --id n1")
	case !kv.ValidMember(string(c.raft.ID)):
		return fmt.Errorf("--id %q must be up to 32 letters, digits, dots, dashes or underscores", c.raft.ID)
	case local && peers:
		return errors.New("--local and --peers are both given: use one of them")
	case !local && !peers && !c.join:
		return errors.New("--peers is missing: name every member, as in --peers n1=127.0.0.1:7101, or use --local 3, or --join a cluster")
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

// deriveVoters says with whom a new directory begins: with the voters of a new cluster, or, to join one, with nobody.
func (c *config) deriveVoters(f *pflag.FlagSet) error {
	known := names(c.members)
	if c.join {
		var faults []error
		missing := func(is bool, text string) {
			if is {
				faults = append(faults, errors.New(text))
			}
		}
		missing(c.bootstrap != "", "--join and --bootstrap are both given: a node joins a cluster or begins one")
		missing(c.storage.ClusterID == "", "--cluster-id is missing: with --join, say which cluster; its nodes' /v1/status tells")
		missing(c.rpcListen == "" && !slices.Contains(known, string(c.raft.ID)),
			"--rpc-listen is missing: with --join, and without an entry for this node in --peers, say where others reach it, as in --rpc-listen 127.0.0.1:7104")
		return errors.Join(faults...)
	}
	given := "--bootstrap"
	if c.bootstrap == "" {
		given = "--peers"
		if err := c.set(f, "bootstrap", strings.Join(known, ","), "every name in --peers"); err != nil {
			return err
		}
	}
	voters := strings.Split(c.bootstrap, ",")
	for i, name := range voters {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("--bootstrap names %q, which --peers does not: add it there, as in %s=host:port", name, name)
		case slices.Contains(voters[:i], name):
			return fmt.Errorf("--bootstrap names %s twice: each voter once", name)
		}
		c.storage.Bootstrap = append(c.storage.Bootstrap, protocol.NodeID(name))
	}
	slices.Sort(c.storage.Bootstrap)
	if !slices.Contains(voters, string(c.raft.ID)) {
		return fmt.Errorf("--id %q is not a member: use one of %s, or add it to %s, or --join the cluster", c.raft.ID, strings.Join(voters, ", "), given)
	}
	return nil
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
	sum := sha256.Sum256([]byte(idList(c.storage.Bootstrap)))
	fill("cluster-id", hex.EncodeToString(sum[:8]), derivedCluster)
	return errors.Join(faults...)
}
