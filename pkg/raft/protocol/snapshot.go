package protocol

import (
	"fmt"
	"slices"
)

// sending is a snapshot on its way to a follower, chunk by chunk: one is out at a time, and the follower's answer
// says which comes next, so that what arrived before a lost chunk is kept.
type sending struct {
	meta   SnapshotMeta
	offset int64
}

// SnapshotStored tells that a snapshot of this node's own is durable. Entries that it covers leave the log, but for
// a tail that spares slow followers a snapshot. An older snapshot than the present one changes nothing. What storage
// names may be a leader's newer one: where the state machine is not that far, it is to be restored.
func (n *Node) SnapshotStored(meta SnapshotMeta) Output {
	if meta.Index <= n.snapshot.Index || meta.Index > n.commitIndex {
		return n.take()
	}
	n.snapshot = meta
	n.rebaseConfigs(meta.Index)
	if meta.Index > n.lastApplied {
		n.restore = meta // storage had it whole, and the log came up to it by entries meanwhile
	}
	keep := Index(max(0, n.opts.SnapshotKeep))
	if meta.Index > n.log.compacted.Index+keep {
		n.log.compact(meta.Index - keep)
		n.disk.compact = n.log.compacted
	}
	n.emit(SnapshotSaved{Term: n.hard.Term, Compacted: n.log.compacted, Meta: meta})
	return n.take()
}

// sendSnapshot sends peer the next chunk if its next entry is gone from the log. Data is for the caller to fill.
func (n *Node) sendSnapshot(peer NodeID, p *progress) {
	if p.state != Install {
		if p.next >= n.log.first() || n.snapshot.IsZero() || n.snapshotSenders() >= n.opts.MaxSnapshotSenders || n.yields(p) {
			return
		}
		p.become(entriesGone)
		p.sending = sending{meta: n.snapshot}
	}
	if p.count(snapshotFlight) > 0 {
		return
	}
	ticket, meta := n.ticket(), p.sending.meta
	n.launch(p, ticket, flight{kind: snapshotFlight, last: meta.Index})
	n.send(peer, ticket, InstallSnapshotRequest{
		Term: n.hard.Term, LeaderID: n.opts.ID, LeaderURL: n.opts.LeaderURL,
		LastIncludedIndex: meta.Index, LastIncludedTerm: meta.Term, Configuration: meta.Configuration,
		Size: meta.Size, Checksum: meta.Checksum, Offset: p.sending.offset, ToDirectory: n.directoryOf(peer),
	})
}

// yields reports whether a peer that was heard later waits for a snapshot too: those that do not answer must not take turns
// with each other.
func (n *Node) yields(p *progress) bool {
	for _, other := range n.progress {
		if other.state != Install && !other.stranger && other.next < n.log.first() && other.contact.After(p.contact) {
			return true
		}
	}
	return false
}

func (n *Node) snapshotSenders() int {
	count := 0
	for _, p := range n.progress {
		if p.state == Install {
			count++
		}
	}
	return count
}

// snapshotFailed lets the same chunk be sent again later, or the newest snapshot if there is a newer one. A peer that does
// not answer gives its place to one that waits for it; what it holds already it keeps.
func (n *Node) snapshotFailed(p *progress) {
	if p.state == Install && (p.sending.meta != n.snapshot || n.snapshotWanted()) {
		p.become(snapshotDropped)
	}
}

// snapshotWanted reports whether some peer needs a snapshot and is not being sent one.
func (n *Node) snapshotWanted() bool {
	for _, p := range n.progress {
		if p.state != Install && !p.stranger && p.next < n.log.first() {
			return true
		}
	}
	return false
}

func (n *Node) handleInstallSnapshotReply(m Message, reply InstallSnapshotReply) {
	p, f, ok := n.answered(m, reply.Term, reply.Identity, snapshotFlight)
	if !ok || p.state != Install || p.sending.meta.Index != f.last {
		return
	}
	p.heardFrom(n.now, f)
	if reply.Installed {
		n.emit(SnapshotSent{Peer: m.From, Meta: p.sending.meta})
		p.become(snapshotInstalled)
		p.match = max(p.match, f.last)
		p.next = p.match + 1
		n.advanceCommit()
	} else {
		p.sending.offset = min(max(0, reply.NextOffset), p.sending.meta.Size)
	}
	n.finishReads()
}

// handleInstallSnapshot is the receiver's side (Figure 13). A chunk goes to storage first; ChunkStored answers it.
func (n *Node) handleInstallSnapshot(m Message, req InstallSnapshotRequest) {
	meta, fault := req.Meta(), faultOfSnapshot(req)
	if fault != "" {
		n.emit(ProtocolViolated{Peer: m.From, What: "InstallSnapshot: " + fault})
	}
	if fault != "" || !n.acceptsLeader(m, req.Term, req.LeaderID) {
		n.answerChunk(m, 0, false)
		return
	}
	n.follow(req.LeaderID, req.LeaderURL)
	reply := Message{From: m.From, Ticket: m.Ticket}
	if n.holds(meta) {
		if meta.Index <= n.snapshot.Index && n.opts.Mutation.Is("snap-older-wins") {
			n.install(meta)
		}
		n.installed(reply, meta)
		return
	}
	n.out.Chunks = append(n.out.Chunks, Chunk{Meta: meta, Offset: req.Offset, Data: req.Data, reply: reply, term: req.Term})
}

// faultOfSnapshot names what no correct leader sends.
func faultOfSnapshot(req InstallSnapshotRequest) string {
	if at := req.Meta().Position; at.Index == 0 || at.Term == 0 || at.Term > req.Term {
		return fmt.Sprintf("a snapshot at %v in term %d", at, req.Term)
	}
	if req.Configuration == "" {
		return ""
	}
	if _, err := ParseConfiguration([]byte(req.Configuration)); err != nil {
		return err.Error()
	}
	return ""
}

// holds reports whether the log has all that a snapshot does: committed, or equal at its last entry.
func (n *Node) holds(meta SnapshotMeta) bool {
	term, ok := n.log.term(meta.Index)
	return meta.Index <= n.commitIndex || ok && term == meta.Term
}

// installed answers that all is here, and takes note that it is committed.
func (n *Node) installed(reply Message, meta SnapshotMeta) {
	n.verified = max(n.verified, meta.Index)
	n.leaderCommit = max(n.leaderCommit, meta.Index)
	n.followCommit()
	n.answerChunk(reply, meta.Size, true)
}

// answerChunk says which chunk is wanted next, or that nothing is missing.
func (n *Node) answerChunk(to Message, next int64, installed bool) {
	reply := InstallSnapshotReply{Identity: n.opts.Identity, Term: n.hard.Term, NextOffset: next, Installed: installed}
	if n.opts.Mutation.Is("snap-ack-early") {
		n.send(to.From, to.Ticket, reply)
		return
	}
	n.sendDurable(to.From, to.Ticket, reply)
}

// Installing reports whether a snapshot is taking the place of the log and that is not durable yet. Until it is, storage
// must be given no chunk of another: it might drop the one for the other.
func (n *Node) Installing() bool {
	return slices.ContainsFunc(n.disk.pending, func(b batch) bool { return !b.install.IsZero() })
}

// ChunkStored tells that storage has taken a chunk, wants the one at next, and whether the snapshot is complete,
// checked and durable. A complete snapshot takes the place of the log, unless the log has caught up meanwhile.
func (n *Node) ChunkStored(chunk Chunk, next int64, complete bool) Output {
	if n.hard.Term != chunk.term || n.role != Follower {
		n.answerChunk(chunk.reply, 0, false)
		return n.take()
	}
	switch {
	case n.holds(chunk.Meta):
		n.installed(chunk.reply, chunk.Meta)
	case complete:
		n.install(chunk.Meta)
		n.installed(chunk.reply, chunk.Meta)
	default:
		n.answerChunk(chunk.reply, next, false)
	}
	return n.take()
}

// install puts a leader's snapshot in the place of the log, none of which is known to agree with it.
func (n *Node) install(meta SnapshotMeta) {
	n.forget(meta)
	if meta.Term < n.hard.Term && n.opts.Mutation.Is("term-falls") {
		n.saveHardState(HardState{Term: meta.Term})
	}
	n.snapshot, n.restore = meta, meta
	n.commitIndex = meta.Index
	base, _ := n.configBase(meta) // its form was checked when it came
	n.members.chain = []placed{base}
	n.reconfigured()
}
