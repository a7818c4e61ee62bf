package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"whitewater/pkg/raft/protocol"
)

const (
	savingName    = snapDir + "/saving"
	receivingName = snapDir + "/receiving"

	keptSnapshots = 2 // that the log holds
	maxPending    = 4 // that it does not hold yet
)

// snapshots are a directory's snapshot files. None of the locks is ever waited for by Persist but mu,
// which is held over no I/O; docs/storage.md gives the order.
type snapshots struct {
	volume    *volume
	directory directoryID
	logger    *slog.Logger

	save     sync.Mutex // one SaveSnapshot at a time
	receive  sync.Mutex // guards incoming
	incoming *draft     // nil: none
	wanted   protocol.SnapshotMeta
	names    sync.Mutex // guards the names in snap/: what is in stored has its file

	mu     sync.Mutex // guards the rest
	log    outline    // as it is durable
	stored []*stored  // ascending by index
	closed bool
}

// stored is a durable snapshot file.
type stored struct {
	meta protocol.SnapshotMeta
	// own: the durable log holds its position, so this node could start from it. A snapshot that is not
	// own was received and awaits its install, or runs ahead of the log.
	own     bool
	readers int
}

// newestOwnLocked is where this node could start from; zero if nowhere. It is called with mu held.
func (s *snapshots) newestOwnLocked() protocol.SnapshotMeta {
	for _, one := range slices.Backward(s.stored) {
		if one.own {
			return one.meta
		}
	}
	return protocol.SnapshotMeta{}
}

func (s *snapshots) newestOwn() protocol.SnapshotMeta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newestOwnLocked()
}

// findLocked returns the snapshot meta names, or nil. It is called with mu held.
func (s *snapshots) findLocked(meta protocol.SnapshotMeta) *stored {
	i := slices.IndexFunc(s.stored, func(one *stored) bool { return one.meta == meta })
	if i < 0 {
		return nil
	}
	return s.stored[i]
}

func (s *snapshots) has(meta protocol.SnapshotMeta) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(meta) != nil
}

// covering is the newest snapshot whose position the log holds.
func (s *snapshots) covering(log *outline) protocol.SnapshotMeta {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range slices.Backward(s.stored) {
		if one.own || log.holds(one.meta.Position) {
			return one.meta
		}
	}
	return protocol.SnapshotMeta{}
}

// anchor notes what is durable of the log, and so which snapshots it holds.
func (s *snapshots) anchor(log *outline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = log.clone()
	for _, one := range s.stored {
		one.own = one.own || log.holds(one.meta.Position)
	}
}

// checkNewer refuses what is at or below the newest own snapshot, and everything once closed.
func (s *snapshots) checkNewer(at protocol.Index) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if at <= s.newestOwnLocked().Index {
		return errOldSnapshot
	}
	return nil
}

// publish gives a finished draft its name, durably, and takes it in.
func (s *snapshots) publish(d *draft) error {
	s.names.Lock()
	defer s.names.Unlock()
	if err := s.checkNewer(d.meta.Index); err != nil {
		return err
	}
	if err := s.volume.rename(d.file.name, snapshotName(d.meta)); err != nil {
		return err
	}
	if !s.volume.mutation.Is("dir-not-synced") {
		if err := s.volume.syncDir(snapDir); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.findLocked(d.meta) == nil {
		s.insertLocked(&stored{meta: d.meta, own: s.log.holds(d.meta.Position)})
	}
	return nil
}

// insertLocked keeps stored ascending. It is called with mu held.
func (s *snapshots) insertLocked(one *stored) {
	i := slices.IndexFunc(s.stored, func(other *stored) bool { return other.meta.Index > one.meta.Index })
	if i < 0 {
		i = len(s.stored)
	}
	s.stored = slices.Insert(s.stored, i, one)
}

// prune removes the files that nothing needs. One that cannot be removed stays until the next Open.
func (s *snapshots) prune() {
	s.names.Lock()
	defer s.names.Unlock()
	var files []string
	for _, meta := range s.takeSpare() {
		files = append(files, snapshotName(meta))
	}
	if err := s.volume.remove(files...); err != nil {
		s.logger.Warn("could not remove old snapshots", "files", files, "err", err)
	}
}

// takeSpare takes out of stored what is to be removed: all own snapshots but the newest two, what is
// not own and not newer than these, and the oldest of too many that are. What is being read stays.
func (s *snapshots) takeSpare() []protocol.SnapshotMeta {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var spare []protocol.SnapshotMeta
	newest, own, pending := s.newestOwnLocked().Index, 0, 0
	kept := make([]*stored, 0, len(s.stored))
	for _, one := range slices.Backward(s.stored) {
		needed := false
		switch {
		case one.own:
			own++
			needed = own <= keptSnapshots
		case one.meta.Index > newest:
			pending++
			needed = pending <= maxPending
		}
		if needed || one.readers > 0 {
			kept = append(kept, one)
		} else {
			spare = append(spare, one.meta)
		}
	}
	slices.Reverse(kept)
	s.stored = kept
	return spare
}

// SaveSnapshot stores a snapshot of this node's own state as it is once the entry at at's position is
// applied, with at's configuration (§7); write writes its data, in any pieces. at's size and checksum are not
// looked at: the result has them. When it returns, the snapshot is durable and OpenSnapshot reads it; it may
// then be named to Persist for a compaction. It runs beside Persist and takes no lock that Persist waits for;
// a second SaveSnapshot waits for the first. When this node has a snapshot of that index or a later one
// already, or gets one meanwhile, that one's meta is returned. It fails with ErrClosed, with write's error, or with what the file system said: then nothing
// is left of the attempt and the log lives on.
func (l *Log) SaveSnapshot(at protocol.SnapshotMeta, write func(io.Writer) error) (protocol.SnapshotMeta, error) {
	if n := len(at.Configuration); n > protocol.MaxConfigurationBytes {
		return protocol.SnapshotMeta{}, fmt.Errorf("snapshot at %v: its configuration has %d bytes, at most %d can be stored",
			at.Position, n, protocol.MaxConfigurationBytes)
	}
	s := l.snapshots
	s.save.Lock()
	defer s.save.Unlock()
	err := s.checkNewer(at.Index)
	var d *draft
	if err == nil {
		d, err = newDraft(s.volume, savingName, at)
	}
	if err == nil {
		err = s.fill(d, write)
	}
	if errors.Is(err, errOldSnapshot) {
		return s.newestOwn(), nil
	}
	if err != nil {
		return protocol.SnapshotMeta{}, err
	}
	s.prune()
	return d.meta, nil
}

// fill writes a draft and publishes it, or discards it.
func (s *snapshots) fill(d *draft, write func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(draftWriter{s, d}, snapBlockBytes)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = d.finish(s.directory)
	}
	if err == nil {
		err = s.publish(d)
	}
	if err != nil {
		d.discard()
		return err
	}
	if err := d.file.Close(); err != nil {
		s.logger.Warn("could not close a snapshot", "file", d.file.name, "err", err)
	}
	return nil
}

// draftWriter writes a draft until the log is closed.
type draftWriter struct {
	snapshots *snapshots
	draft     *draft
}

func (w draftWriter) Write(p []byte) (int, error) {
	w.snapshots.mu.Lock()
	closed := w.snapshots.closed
	w.snapshots.mu.Unlock()
	if closed {
		return 0, ErrClosed
	}
	if w.draft.meta.Size+int64(len(p)) > maxSnapBytes {
		return 0, errors.New("snapshot is larger than 1 TiB")
	}
	if err := w.draft.append(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// close refuses everything from now on, waits for who is at it, and drops what is half received.
func (s *snapshots) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.save.Lock()
	defer s.save.Unlock()
	s.receive.Lock()
	defer s.receive.Unlock()
	s.dropIncoming()
	s.names.Lock() // a reader's Close may be pruning
	defer s.names.Unlock()
}
