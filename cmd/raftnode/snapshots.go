package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"whitewater/pkg/kv"
	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// snapshots is the storage as the replica sees it: neither knows the other's types.
type snapshots struct{ *storage.Log }

// OpenSnapshot implements raft.Snapshots.
func (s snapshots) OpenSnapshot(meta protocol.SnapshotMeta) (raft.SnapshotReader, error) {
	reader, err := s.Log.OpenSnapshot(meta)
	if errors.Is(err, storage.ErrNoSnapshot) {
		return nil, fmt.Errorf("%w: %w", raft.ErrNoSnapshot, err)
	}
	return reader, err
}

// operated is the replica as clients see it: they may have a snapshot taken.
type operated struct {
	*raft.Replica
	machine *kv.Machine
	logger  *slog.Logger
	busy    atomic.Bool
	saving  sync.WaitGroup
}

// TakeSnapshot implements kv.Replica.
func (o *operated) TakeSnapshot() error {
	if o.Killed() {
		return raft.ErrStopped
	}
	if !o.busy.CompareAndSwap(false, true) {
		return raft.ErrSnapshot
	}
	at, write := o.machine.View()
	o.saving.Go(func() {
		defer o.busy.Store(false)
		var state bytes.Buffer
		err := write(&state)
		if err == nil {
			err = o.Snapshot(at.Index, state.Bytes())
		}
		if err != nil && !errors.Is(err, raft.ErrStopped) {
			o.logger.Warn("no snapshot was taken", "index", at.Index, "err", err)
		}
	})
	return nil
}
