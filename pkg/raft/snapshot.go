package raft

import (
	"errors"
	"fmt"
	"io"
	"time"

	"whitewater/pkg/raft/protocol"
)

// Snapshot is for programs that take snapshots by themselves, as the lab's do: state is what their state machine holds
// after the entry at index was applied. The log up to there is then covered. Of several at once each waits for those
// before it, and Kill waits for one under way. Errors: ErrSnapshot, ErrStopped.
func (r *Replica) Snapshot(index protocol.Index, state []byte) error {
	select {
	case r.snapshots <- struct{}{}:
		defer func() { <-r.snapshots }()
	case <-r.ctx.Done():
		return ErrStopped
	}
	r.mu.Lock()
	at, held := r.node.SnapshotAt(index)
	free := held && index <= r.handed && !r.saving && r.opts.Snapshots != nil && r.ctx.Err() == nil
	r.saving = r.saving || free
	if free {
		r.wg.Add(1)
		defer r.wg.Done()
	}
	r.mu.Unlock()
	switch {
	case r.Killed():
		return ErrStopped
	case !free:
		return fmt.Errorf("%w: index %d", ErrSnapshot, index)
	}
	return r.saveSnapshot(at, func(w io.Writer) error {
		_, err := w.Write(state)
		return err
	})
}

// TakeSnapshot has the state machine take a snapshot, however little was applied since the last, and returns before it
// is stored. Where the last one covers all, nothing is done. Errors: ErrSnapshot while one is under way, ErrStopped.
func (r *Replica) TakeSnapshot() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ctx.Err() != nil:
		return ErrStopped
	case r.opts.Snapshots == nil:
		return fmt.Errorf("%w: Options.Snapshots is nil", ErrSnapshot)
	case r.saving || r.wanted:
		return fmt.Errorf("%w: one is under way", ErrSnapshot)
	}
	r.wanted = true
	r.applyWork.raise()
	return nil
}

// snapshotDueLocked reports whether the state machine is to take a snapshot now, and if so reserves the place.
func (r *Replica) snapshotDueLocked(applied protocol.Index) (at protocol.SnapshotMeta, due bool) {
	since := applied - min(applied, r.node.Snapshot().Index)
	enough := r.opts.SnapshotEntries > 0 && since >= protocol.Index(r.opts.SnapshotEntries)
	if r.opts.Snapshots != nil && !r.saving && since > 0 && (r.wanted || enough) {
		at, due = r.node.SnapshotAt(applied)
	}
	r.wanted = false
	r.saving = r.saving || due
	return at, due
}

// takeWanted takes the snapshot that TakeSnapshot asked for.
func (r *Replica) takeWanted() error {
	r.mu.Lock()
	at, due := protocol.SnapshotMeta{}, false
	if r.wanted {
		at, due = r.snapshotDueLocked(r.node.AppliedIndex())
	}
	r.mu.Unlock()
	if !due {
		return nil
	}
	return r.takeSnapshot(at)
}

// takeSnapshot takes a view of the state machine, and has it written beside all that goes on.
func (r *Replica) takeSnapshot(at protocol.SnapshotMeta) error {
	write, err := r.opts.StateMachine.Snapshot()
	if err != nil {
		return fmt.Errorf("take a snapshot at %v: %w", at.Position, err)
	}
	r.wg.Go(func() {
		if err := r.saveSnapshot(at, write); err != nil && !errors.Is(err, ErrStopped) {
			r.fail(err)
		}
	})
	return nil
}

// saveSnapshot stores a snapshot and lets the log be compacted. Whoever calls it has set saving.
func (r *Replica) saveSnapshot(at protocol.SnapshotMeta, write func(io.Writer) error) error {
	began := time.Now()
	meta, err := r.opts.Snapshots.SaveSnapshot(at, write)
	stopped := r.step(func(time.Time) protocol.Output {
		r.saving = false
		r.stats.snapshotSaved(err, time.Since(began))
		if err != nil {
			return protocol.Output{}
		}
		return r.node.SnapshotStored(meta)
	})
	if err != nil {
		return fmt.Errorf("save a snapshot at %v: %w", at.Position, err)
	}
	return stopped
}

// restore replaces the state machine's state.
func (r *Replica) restore(meta protocol.SnapshotMeta) error {
	began := time.Now()
	reader, err := r.opts.Snapshots.OpenSnapshot(meta)
	if errors.Is(err, ErrNoSnapshot) && r.Status().Snapshot != meta {
		return nil // the leader's next one took its place meanwhile, and is to be restored instead
	}
	if err != nil {
		return fmt.Errorf("open the snapshot at %v: %w", meta.Position, err)
	}
	defer reader.Close()
	if err := r.opts.StateMachine.Restore(r.ctx, meta.Position, io.NewSectionReader(reader, 0, meta.Size)); err != nil {
		return fmt.Errorf("restore the snapshot at %v: %w", meta.Position, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.snapshotRestored(meta, time.Since(began))
	r.node.Applied(meta.Index)
	return nil
}

// runReceiver stores the chunks of a leader's snapshot, outside the mutex and beside the disk writer.
func (r *Replica) runReceiver() {
	for {
		select {
		case <-r.chunkWork:
			if err := r.receiveChunks(); err != nil {
				r.fail(err)
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Replica) receiveChunks() error {
	for c, ok := r.nextChunk(); ok; c, ok = r.nextChunk() {
		if r.opts.Snapshots == nil {
			return fmt.Errorf("%w: the leader sends one at %v and Options.Snapshots is nil", ErrSnapshot, c.Meta.Position)
		}
		next, complete, err := r.opts.Snapshots.ReceiveSnapshot(c.Meta, c.Offset, c.Data)
		if err != nil {
			return fmt.Errorf("store a chunk of the snapshot at %v: %w", c.Meta.Position, err)
		}
		_ = r.step(func(time.Time) protocol.Output { // a replica that has stopped needs no news
			r.stats.chunkReceived(len(c.Data))
			return r.node.ChunkStored(c, next, complete)
		})
	}
	return nil
}

// nextChunk takes the chunk that is to be stored next; there is none while a snapshot that was stored is being installed.
func (r *Replica) nextChunk() (c protocol.Chunk, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.chunks) == 0 || r.node.Installing() || r.ctx.Err() != nil {
		return protocol.Chunk{}, false
	}
	c, r.chunks = r.chunks[0], r.chunks[1:]
	return c, true
}

// chunk fills a request with the data it is to carry. The snapshot stays open until it has been sent.
func (r *Replica) chunk(p *peer, request protocol.InstallSnapshotRequest) (protocol.InstallSnapshotRequest, error) {
	meta := request.Meta()
	p.snapshotMu.Lock()
	defer p.snapshotMu.Unlock()
	if p.left {
		return request, fmt.Errorf("%s is no member any more", p.id)
	}
	if p.snapshot == nil || p.snapshotMeta != meta {
		p.closeSnapshotLocked()
		reader, err := r.opts.Snapshots.OpenSnapshot(meta)
		if err != nil {
			return request, fmt.Errorf("open the snapshot at %v: %w", meta.Position, err)
		}
		p.snapshot, p.snapshotMeta = reader, meta
	}
	request.Data = make([]byte, min(int64(r.opts.SnapshotChunkBytes), meta.Size-request.Offset))
	request.Done = request.Offset+int64(len(request.Data)) == meta.Size
	if _, err := p.snapshot.ReadAt(request.Data, request.Offset); err != nil && !errors.Is(err, io.EOF) {
		return request, fmt.Errorf("read the snapshot at %v: %w", meta.Position, err)
	}
	return request, nil
}

// leave marks the peer as forgotten: a call that is still on its way opens no snapshot.
func (p *peer) leave() {
	p.snapshotMu.Lock()
	defer p.snapshotMu.Unlock()
	p.left = true
	p.closeSnapshotLocked()
}

// closeSnapshot lets go of a snapshot that is no longer being sent.
func (p *peer) closeSnapshot() {
	p.snapshotMu.Lock()
	defer p.snapshotMu.Unlock()
	p.closeSnapshotLocked()
}

func (p *peer) closeSnapshotLocked() {
	if p.snapshot != nil {
		_ = p.snapshot.Close() // it was only read from
		p.snapshot = nil
	}
}
