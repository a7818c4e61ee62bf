package protocol

import "slices"

// apply executes what is committed, as a state machine that remembers the checksum of each entry by index.
func (c *cluster) apply(id NodeID) {
	s := c.nodes[id]
	for {
		restore, entries := s.Committed(16)
		switch {
		case !restore.IsZero():
			s.machine = slices.Clone(c.snapshots[restore.Position])
			c.restores++
			s.Applied(restore.Index)
		case len(entries) > 0:
			for _, e := range entries {
				s.machine = append(s.machine, e.Checksum())
			}
			s.Applied(entries[len(entries)-1].Index)
		default:
			return
		}
		if Index(len(s.machine)) != s.lastApplied {
			c.fail("%s: applied %d entries up to index %d", id, len(s.machine), s.lastApplied)
		}
		for i, sum := range s.machine {
			if e := c.committed[Index(i+1)]; e.Checksum() != sum {
				c.fail("StateMachineSafety: %s applied another entry %d than was committed", id, i+1)
			}
		}
	}
}

// takeSnapshot stores a snapshot of a node's state and tells the node a little later.
func (c *cluster) takeSnapshot(id NodeID) {
	s := c.nodes[id]
	if !s.up || s.lastApplied == 0 || s.lastApplied <= s.snapshot.Index {
		return
	}
	meta, ok := s.SnapshotAt(s.lastApplied)
	if !ok {
		c.fail("%s: no snapshot can be taken at %d", id, s.lastApplied)
	}
	meta.Size = snapshotSize
	c.snapshots[meta.Position] = slices.Clone(s.machine)
	life := s.life
	c.later(c.upTo(c.faults.disk), func() {
		if s.life == life {
			if meta.Index > s.durable.Snapshot.Index {
				s.durable.Snapshot = meta
			}
			c.input(id, func(n *Node) Output { return n.SnapshotStored(meta) })
		}
	})
}

// snapshotSize and chunkSize make three chunks of every snapshot.
const (
	snapshotSize = 5
	chunkSize    = 2
)

// storeChunk is the receiving side's storage.
func (c *cluster) storeChunk(id NodeID, chunk Chunk) {
	s := c.nodes[id]
	life := s.life
	c.later(c.upTo(c.faults.disk), func() {
		if s.life != life {
			return
		}
		if s.receiving != chunk.Meta {
			s.receiving, s.received = chunk.Meta, 0
		}
		if chunk.Offset == s.received {
			s.received += int64(len(chunk.Data))
		}
		next := s.received
		c.input(id, func(n *Node) Output { return n.ChunkStored(chunk, next, next == snapshotSize) })
	})
}
