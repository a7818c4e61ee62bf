package storage

import (
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// group is what the batches of one Persist come to.
type group struct {
	hard    protocol.HardState
	install *base // takes effect before the entries
	entries []protocol.Entry
	compact *base   // takes effect behind them
	outline outline // of the log with all of it
}

func (g *group) isEmpty(hard protocol.HardState) bool {
	return g.hard == hard && g.install == nil && len(g.entries) == 0 && g.compact == nil
}

// gather checks the batches and joins them. The last hard state stands for all: a term or vote may
// become durable before entries that were made under an earlier one, never after its own. Entries
// before an install are dropped: nobody is told of anything until all is durable.
func (l *Log) gather(batches []protocol.Persist) (group, error) {
	g := group{hard: l.hard, outline: l.outline.clone()}
	for _, b := range batches {
		if g.hard = b.HardState; len(g.hard.VotedFor) > maxNameBytes {
			return g, fmt.Errorf("%w: batch %d: vote for a name of %d bytes, at most %d can be stored",
				ErrBatch, b.Number, len(g.hard.VotedFor), maxNameBytes)
		}
		err := l.gatherInstall(&g, b.Install)
		if err == nil {
			err = l.gatherEntries(&g, b.Entries)
		}
		if err == nil {
			err = l.gatherCompact(&g, b.Compact)
		}
		if err != nil {
			return g, fmt.Errorf("batch %d: %w", b.Number, err)
		}
	}
	return g, nil
}

func (l *Log) gatherInstall(g *group, meta protocol.SnapshotMeta) error {
	if meta.IsZero() {
		return nil
	}
	ignore, err := l.snapshots.checkInstall(meta)
	if ignore {
		l.options.Logger.Warn("ignored a snapshot that is not newer than the one there is", "index", meta.Index, "term", meta.Term)
		return nil
	}
	if err != nil {
		return err
	}
	if meta.Term > g.hard.Term {
		return fmt.Errorf("%w: install of the snapshot at %v in term %d", ErrBatch, meta.Position, g.hard.Term)
	}
	g.outline.reset(meta.Position)
	g.install = &base{snapshot: meta, compacted: meta.Position, reset: true}
	g.entries, g.compact = nil, nil
	return nil
}

func (l *Log) gatherEntries(g *group, entries []protocol.Entry) error {
	covered := l.snapshots.covering(&g.outline).Index
	for i, e := range entries {
		last := g.outline.last
		if e.Index == 0 || e.Index > last+1 || i > 0 && e.Index != last+1 {
			return fmt.Errorf("%w: entry %v follows index %d", ErrBatch, e.Position(), last)
		}
		if e.Index <= covered {
			return fmt.Errorf("%w: entry %v would replace one that the snapshot at index %d covers", ErrBatch, e.Position(), covered)
		}
		if len(e.Data) > maxEntryBytes || !e.Kind.Valid() {
			return fmt.Errorf("%w: entry %v of %v has %d bytes, at most %d can be stored",
				ErrBatch, e.Position(), e.Kind, len(e.Data), maxEntryBytes)
		}
		g.outline.put(e.Position())
	}
	if g.entries == nil {
		g.entries = entries[:len(entries):len(entries)]
	} else {
		g.entries = append(g.entries, entries...)
	}
	return nil
}

// gatherCompact takes a compaction that a durable snapshot allows.
func (l *Log) gatherCompact(g *group, to protocol.Position) error {
	if to.Index <= g.outline.compacted.Index {
		return nil // long done
	}
	snapshot := l.snapshots.covering(&g.outline)
	if to.Index > snapshot.Index || !g.outline.holds(to) {
		return fmt.Errorf("%w: compaction through %v: the log holds indexes %d to %d, the newest snapshot covers %v",
			ErrBatch, to, g.outline.compacted.Index+1, g.outline.last, snapshot.Position)
	}
	g.outline.compact(to)
	g.compact = &base{snapshot: snapshot, compacted: to}
	return nil
}
