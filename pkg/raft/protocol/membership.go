package protocol

import (
	"fmt"
	"slices"
	"time"
)

// placed is a configuration and where it stands: at its entry, at the snapshot that holds it, or at 0 for the one that
// the cluster began with.
type placed struct {
	index Index
	Configuration
}

// members are the configurations that matter: the newest one that can no longer be cut, and those behind it in the log.
// The last one is in force as soon as it is in the log, committed or not (§6).
type members struct {
	chain  []placed   // ascending; never empty
	halves [][]NodeID // of the configuration in force
	waited bool       // a change of this leader's is under way, and its end is to be told
	warned string     // the directory that a peer took this node for, told already
}

// config is the configuration in force.
func (n *Node) config() Configuration { return n.members.chain[len(n.members.chain)-1].Configuration }

// configIndex is where the configuration in force stands.
func (n *Node) configIndex() Index { return n.members.chain[len(n.members.chain)-1].index }

// configBase is the configuration that a snapshot holds; that of the cluster's beginning if it holds none.
func (n *Node) configBase(snapshot SnapshotMeta) (placed, error) {
	if snapshot.Configuration == "" {
		return placed{Configuration: Bootstrap(n.opts.Members)}, nil
	}
	c, err := ParseConfiguration([]byte(snapshot.Configuration))
	return placed{index: snapshot.Index, Configuration: c}, err
}

// recoverMembers finds the configuration in force in what storage recovered.
func (n *Node) recoverMembers(state State) error {
	base, err := n.configBase(state.Snapshot)
	if err != nil {
		return fmt.Errorf("recovered snapshot at %v: %w", state.Snapshot.Position, err)
	}
	n.members.chain = []placed{base}
	for _, e := range state.Entries {
		if e.Kind != EntryConfiguration || e.Index <= state.Snapshot.Index || n.opts.Mutation.Is("member-lost-on-restart") {
			continue
		}
		c, err := ParseConfiguration(e.Data)
		if err != nil {
			return fmt.Errorf("recovered entry %v: %w", e.Position(), err)
		}
		n.members.chain = append(n.members.chain, placed{e.Index, c})
	}
	n.reconfigured()
	return nil
}

// adopt puts the configurations among entries that joined the log into force. Their form was checked before.
func (n *Node) adopt(entries ...Entry) {
	changed := false
	for _, e := range entries {
		if e.Kind != EntryConfiguration {
			continue
		}
		c, err := ParseConfiguration(e.Data)
		if err != nil {
			panic(fmt.Sprintf("entry %v was let in: %v", e.Position(), err))
		}
		n.members.chain = append(n.members.chain, placed{e.Index, c})
		changed = true
	}
	if changed {
		n.reconfigured()
	}
}

// dropConfigs goes back to what was in force before the log was cut.
func (n *Node) dropConfigs(from Index) {
	kept := slices.IndexFunc(n.members.chain, func(p placed) bool { return p.index >= from && p.index > 0 })
	if kept > 0 {
		n.members.chain = n.members.chain[:kept:kept]
		n.reconfigured()
	}
}

// rebaseConfigs forgets configurations that a snapshot's position leaves behind.
func (n *Node) rebaseConfigs(snapshot Index) {
	chain := n.members.chain
	for len(chain) > 1 && chain[1].index <= snapshot {
		chain = chain[1:]
	}
	n.members.chain = chain
}

// configAt is the encoded configuration in force at an index that is committed and not below the snapshot; empty: the
// one that the cluster began with.
func (n *Node) configAt(index Index) string {
	at := n.members.chain[0]
	for _, p := range n.members.chain[1:] {
		if p.index <= index {
			at = p
		}
	}
	if at.index == 0 || n.opts.Mutation.Is("member-not-in-snapshot") {
		return ""
	}
	return string(at.Encode())
}

// reconfigured follows a change of the configuration in force.
func (n *Node) reconfigured() {
	c := n.config()
	n.members.halves = c.halves()
	if !c.Joint && n.opts.Mutation.Is("member-learner") {
		n.members.halves = [][]NodeID{c.IDs()}
	}
	n.peers = slices.DeleteFunc(c.IDs(), func(id NodeID) bool { return id == n.opts.ID })
	n.emit(ConfigurationChanged{Term: n.hard.Term, Index: n.configIndex(), Configuration: c, Committed: n.configIndex() <= n.commitIndex})
	if n.role == Leader {
		n.trackPeers()
	}
}

// trackPeers gives every peer its progress. One that was removed is served a little longer, so that it learns of it.
func (n *Node) trackPeers() {
	for id, p := range n.progress {
		if !slices.Contains(n.peers, id) && p.departs.IsZero() {
			p.departs = n.now.Add(2 * n.opts.ElectionTimeout)
		}
	}
	last := n.log.last().Index
	for _, id := range n.peers {
		m, _ := n.config().Member(id)
		p := n.progress[id]
		// One that was removed and comes back begins anew: its directory may be another.
		if p == nil || !p.departs.IsZero() || p.directory != "" && p.directory != m.Directory {
			p = &progress{state: Probe, next: last + 1, limit: n.opts.MaxBatch, contact: n.now}
			n.progress[id] = p
		}
		p.directory = m.Directory
		if joins := m.Suffrage == Joining; joins != p.joining {
			p.joining = joins
			p.beginRound(n.now, last)
		}
	}
}

// configCommitted tells when a commit reaches the configuration in force.
func (n *Node) configCommitted(before Index) {
	if at := n.configIndex(); before < at && at <= n.commitIndex {
		n.emit(ConfigurationChanged{Term: n.hard.Term, Index: at, Configuration: n.config(), Committed: true})
	}
}

// Change begins a change of members; an Output's Change ends it. One change is made at a time. It need not wait for an
// entry of the own term to be committed, as changes of one server without joint consensus must: whatever two leaders
// begin from one configuration, each step of it takes a majority of that one. Errors: ErrNotLeader, ErrTransferring,
// ErrChanging, ErrChange.
func (n *Node) Change(now time.Time, change Change) (Output, error) {
	n.now = now
	c := n.config()
	switch {
	case n.role != Leader:
		return n.take(), ErrNotLeader
	case n.transfer.to != "":
		return n.take(), ErrTransferring
	case c.cancels(change):
		n.endChange(ErrCanceled)
		n.members.waited = true
		n.appendConfiguration(c.abandoned())
		return n.take(), nil
	case n.unsettled() || c.Changing():
		return n.take(), ErrChanging
	}
	next, err := c.begin(change)
	if err != nil {
		return n.take(), err
	}
	n.members.waited = true
	n.appendConfiguration(next)
	return n.take(), nil
}

func (n *Node) appendConfiguration(c Configuration) {
	if c.Joint && (n.opts.Mutation.Is("no-joint") || c.moving() == 1 && n.opts.Mutation.Is("member-before-noop")) {
		c = c.finished()
	}
	n.appendOwn(EntryConfiguration, c.Encode())
}

// unsettled reports whether a configuration with other voters or learners than the one before it is not committed yet.
func (n *Node) unsettled() bool {
	chain := n.members.chain
	for i := len(chain) - 1; i > 0 && chain[i].index > n.commitIndex; i-- {
		if !chain[i].sameSuffrages(chain[i-1].Configuration) {
			return true
		}
	}
	return false
}

// advanceChange takes the next step of a change, this leader's or one that it found in its log.
func (n *Node) advanceChange() {
	if n.role != Leader || n.unsettled() {
		return
	}
	switch c := n.config(); {
	case c.Joint:
		n.appendConfiguration(c.finished())
	case !c.Changing():
		n.endChange(nil)
		if !c.Votes(n.opts.ID) {
			n.retire()
		}
	case n.caughtUp(c):
		n.appendConfiguration(c.joint())
	}
}

// caughtUp reports whether all joining members have the log, nearly, and are there. This leader may be one of them: it was elected as a
// voter of the configuration before.
func (n *Node) caughtUp(c Configuration) bool {
	return !slices.ContainsFunc(c.Members, func(m Member) bool {
		p := n.progress[m.ID]
		return m.Suffrage == Joining && m.ID != n.opts.ID && (!p.caughtUp || n.now.Sub(p.contact) > n.opts.ElectionTimeout)
	})
}

// retire ends the leadership of a node that is no member any more (§6), and asks the most caught up to follow at once.
func (n *Node) retire() {
	if to := n.mostCaughtUp(); to != "" {
		n.send(to, n.ticket(), TimeoutNowRequest{Term: n.hard.Term, LeaderID: n.opts.ID})
	}
	n.become(Removed)
	n.setLeader("", "")
	n.drawDeadline(n.opts.ElectionTimeout, 2*n.opts.ElectionTimeout)
}

// endChange tells how a change ended, if one was asked for here.
func (n *Node) endChange(err error) {
	if n.members.waited {
		n.members.waited = false
		n.out.Change = &ChangeResult{Err: err}
	}
}
