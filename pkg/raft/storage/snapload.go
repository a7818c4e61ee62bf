package storage

import (
	"errors"
	"fmt"
	"io/fs"

	"whitewater/pkg/raft/protocol"
)

// load reads which snapshots there are, chooses the newest that the log holds, verifies it whole and
// puts it into the recovered state. It changes nothing on disk; unused are the files to be discarded:
// drafts, and snapshots that were received but not installed or that run ahead of a log which was lost with
// the power.
func (s *snapshots) load(r *recovery) (unused []string, err error) {
	names, err := s.volume.fs.ReadDir(s.volume.path(snapDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.choose(r) // Inspect makes none
	}
	if err != nil {
		return nil, err
	}
	log := newOutline(r.state.Compacted, r.state.Entries)
	for _, name := range names {
		file := snapDir + "/" + name
		if file == savingName || file == receivingName {
			unused = append(unused, file)
			continue
		}
		if !isSnapshotName(name) {
			s.logger.Warn("ignored unknown file", "file", s.volume.path(file))
			continue
		}
		meta, err := s.check(file)
		if err != nil {
			return nil, err
		}
		// What the log has compacted away was this node's own once.
		own := log.holds(meta.Position)
		if !own && meta.Index >= log.compacted.Index {
			unused = append(unused, file)
			continue
		}
		s.insertLocked(&stored{meta: meta, own: true})
	}
	return unused, s.choose(r)
}

// check opens a snapshot file and holds it against its name.
func (s *snapshots) check(file string) (protocol.SnapshotMeta, error) {
	content, err := s.open(file)
	if err != nil {
		return protocol.SnapshotMeta{}, err
	}
	if snapshotName(content.meta) != file {
		err = s.volume.corrupt(file, 0, fmt.Errorf("the snapshot of %v, checksum %08x, stands there", content.meta.Position, content.meta.Checksum))
	}
	return content.meta, errors.Join(err, content.Close())
}

// choose takes the newest snapshot for the state. One must cover what the log has compacted.
func (s *snapshots) choose(r *recovery) error {
	newest := s.newestOwnLocked()
	if newest.Index < r.base.compacted.Index {
		name := snapshotName(r.base.snapshot)
		return s.volume.corrupt(name, 0, fmt.Errorf("the snapshot is missing, but the log begins behind %v", r.base.compacted))
	}
	if newest.IsZero() {
		return nil
	}
	r.state.Snapshot = newest
	return s.verify(newest)
}

// verify reads all of a snapshot.
func (s *snapshots) verify(meta protocol.SnapshotMeta) error {
	content, err := s.open(snapshotName(meta))
	if err != nil {
		return err
	}
	bad, err := content.verify()
	if errors.Is(err, errDamaged) {
		err = s.volume.corrupt(content.name, bad, err)
	}
	return errors.Join(err, content.Close())
}

// settle makes the names durable that recovery relied on: the process before may have died between a
// rename and its sync. Then it removes the files that nothing needs.
func (s *snapshots) settle(files []string) error {
	if err := s.volume.syncDir(snapDir); err != nil {
		return err
	}
	for _, file := range files {
		s.logger.Info("remove an unused snapshot", "file", s.volume.path(file))
	}
	return s.volume.remove(files...)
}
