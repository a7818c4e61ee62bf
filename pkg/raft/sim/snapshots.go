package sim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// snapshotDue takes a snapshot if enough has been applied since the last.
func (s *server) snapshotDue() {
	every := s.r.plan.Tuning.SnapshotEntries
	if every > 0 && int(s.AppliedIndex()-min(s.AppliedIndex(), s.Snapshot().Index)) >= every {
		s.takeSnapshot()
	}
}

// takeSnapshot takes a view of the machine, which is stored while all else goes on.
func (s *server) takeSnapshot() {
	meta, ok := s.SnapshotAt(s.AppliedIndex())
	if s.saving || !ok {
		return
	}
	write, err := s.machine.Snapshot()
	if err != nil {
		s.r.broken(StorageRecovers, "%s takes a snapshot at %v: %v", s.id, meta.Position, err)
		return
	}
	s.saving = true
	s.later(2*s.disk.latency(), func() {
		s.saving = false
		meta, err := s.log.SaveSnapshot(meta, write)
		if err != nil {
			s.storageFailed(fmt.Sprintf("save a snapshot at %v", meta.Position), err)
			return
		}
		s.r.counts["snapshots"]++
		s.input(func(time.Time) protocol.Output { return s.SnapshotStored(meta) })
	})
}

// storeChunk is the receiving side: one chunk after another, and none while a snapshot is being installed.
func (s *server) storeChunk() {
	if s.storing || len(s.chunks) == 0 || s.Installing() {
		return
	}
	s.storing = true
	chunk := s.chunks[0]
	s.chunks = s.chunks[1:]
	s.later(s.disk.latency(), func() {
		s.storing = false
		next, complete, err := s.log.ReceiveSnapshot(chunk.Meta, chunk.Offset, chunk.Data)
		if err != nil {
			s.storageFailed(fmt.Sprintf("store a chunk of the snapshot at %v", chunk.Meta.Position), err)
			return
		}
		s.input(func(time.Time) protocol.Output { return s.ChunkStored(chunk, next, complete) })
		if s.up {
			s.storeChunk()
		}
	})
}

// defaultChunk is the data in one InstallSnapshot.
const defaultChunk = 256 << 10

// chunk fills a request with the data it is to carry.
func (s *server) chunk(request protocol.InstallSnapshotRequest) (protocol.InstallSnapshotRequest, error) {
	meta := request.Meta()
	reader, err := s.log.OpenSnapshot(meta)
	if err != nil {
		if !errors.Is(err, storage.ErrNoSnapshot) {
			s.later(0, func() { s.storageFailed(fmt.Sprintf("open the snapshot at %v", meta.Position), err) })
		}
		return request, err
	}
	defer reader.Close()
	chunk := cmp.Or(int64(s.r.plan.Tuning.ChunkBytes), defaultChunk)
	request.Data = make([]byte, min(chunk, meta.Size-request.Offset))
	request.Done = request.Offset+int64(len(request.Data)) == meta.Size
	if _, err := reader.ReadAt(request.Data, request.Offset); err != nil && !errors.Is(err, io.EOF) {
		s.later(0, func() { s.storageFailed(fmt.Sprintf("read the snapshot at %v", meta.Position), err) })
		return request, err
	}
	return request, nil
}
