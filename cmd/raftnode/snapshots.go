package main

import (
	"errors"
	"fmt"

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
