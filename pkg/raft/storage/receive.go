package storage

import (
	"errors"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// ReceiveSnapshot takes a chunk of a leader's snapshot (Figure 13): data at offset of what meta names.
// It keeps what follows on the bytes that it holds, and another meta starts anew. It returns the next
// offset that it wants, and complete once all is there, matches meta.Checksum and is durable: then
// Persist may install it. Data with a wrong checksum starts anew from 0; a chunk that no snapshot could
// have, and one of a snapshot that is not newer than this node's own, are not kept. It takes no lock
// that Persist waits for. It fails with ErrClosed or with what the file system said: then the
// snapshot starts anew and the log lives on.
func (l *Log) ReceiveSnapshot(meta protocol.SnapshotMeta, offset int64, data []byte) (next int64, complete bool, err error) {
	s := l.snapshots
	s.receive.Lock()
	defer s.receive.Unlock()
	err = s.checkNewer(meta.Index)
	switch {
	case errors.Is(err, ErrClosed):
		return 0, false, err
	case s.has(meta):
		return meta.Size, true, nil
	case errors.Is(err, errOldSnapshot):
		return 0, false, nil
	}
	if meta.IsZero() || meta.Size < 0 || meta.Size > maxSnapBytes || len(meta.Configuration) > protocol.MaxConfigurationBytes ||
		offset < 0 || offset > meta.Size-int64(len(data)) {
		s.logger.Warn("refused a chunk that does not fit its snapshot",
			"index", meta.Index, "term", meta.Term, "bytes", meta.Size, "configuration_bytes", len(meta.Configuration),
			"offset", offset, "chunk_bytes", len(data))
		return s.held(meta), false, nil
	}
	if held := s.held(meta); offset > held || offset+int64(len(data)) < held {
		return held, false, nil
	}
	if err := s.begin(meta); err != nil {
		return 0, false, err
	}
	complete, err = s.take(data[s.incoming.meta.Size-offset:])
	if complete {
		s.prune()
		return meta.Size, true, nil
	}
	return s.held(meta), false, err
}

// held is how many bytes of a snapshot have been received. It is called with receive held.
func (s *snapshots) held(meta protocol.SnapshotMeta) int64 {
	if s.incoming == nil || s.wanted != meta {
		return 0
	}
	return s.incoming.meta.Size
}

// begin makes meta's the snapshot that is being received.
func (s *snapshots) begin(meta protocol.SnapshotMeta) (err error) {
	if s.incoming != nil && s.wanted == meta {
		return nil
	}
	s.dropIncoming()
	s.incoming, err = newDraft(s.volume, receivingName, meta)
	s.wanted = meta
	return err
}

// take adds data to the incoming snapshot and publishes it once it is whole. Whatever goes wrong ends it.
func (s *snapshots) take(data []byte) (complete bool, err error) {
	d := s.incoming
	if err = d.append(data); err == nil && d.meta.Size < s.wanted.Size {
		return false, nil
	}
	if err == nil && d.meta != s.wanted {
		s.logger.Warn("received a snapshot with a wrong checksum", "index", d.meta.Index, "term", d.meta.Term, "bytes", d.meta.Size)
		s.dropIncoming()
		return false, nil
	}
	if err == nil {
		err = d.finish(s.directory)
	}
	if err == nil {
		err = s.publish(d)
	}
	if err != nil {
		s.dropIncoming()
		if errors.Is(err, errOldSnapshot) {
			err = nil
		}
		return false, err
	}
	s.incoming = nil
	if err := d.file.Close(); err != nil {
		s.logger.Warn("could not close a snapshot", "file", d.file.name, "err", err)
	}
	return true, nil
}

// dropIncoming forgets a snapshot half received. It is called with receive held.
func (s *snapshots) dropIncoming() {
	if s.incoming != nil {
		s.incoming.discard()
		s.incoming = nil
	}
}

// checkInstall says whether Persist may install a snapshot: it has been received whole. One that is
// not newer than the newest own is to be ignored.
func (s *snapshots) checkInstall(meta protocol.SnapshotMeta) (ignore bool, err error) {
	switch err := s.checkNewer(meta.Index); {
	case errors.Is(err, errOldSnapshot):
		return true, nil
	case err != nil:
		return false, err
	case !s.has(meta):
		return false, fmt.Errorf("%w: install of the snapshot at %v, which was not received", ErrBatch, meta.Position)
	}
	return false, nil
}
