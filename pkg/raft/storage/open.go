package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"whitewater/pkg/raft/protocol"
)

// Open locks the data directory, made if it is missing, and returns what it holds. Everything
// returned is durable. It fails with ErrLocked, ErrForeign, ErrVersion, a CorruptError, or what the
// file system said; then it has changed nothing that was there.
func Open(options Options) (*Log, Recovered, error) {
	if err := options.Validate(); err != nil {
		return nil, Recovered{}, fmt.Errorf("storage options: %w", err)
	}
	options = options.withDefaults()
	log, found, err := open(options)
	if err != nil {
		return nil, Recovered{}, fmt.Errorf("open data directory %s: %w", options.Dir, err)
	}
	options.Logger.Info("opened log", "node", options.NodeID, "term", found.State.Term,
		"index", log.Stats().LastIndex, "snapshot", found.State.Snapshot.Index, "bytes", log.Stats().LogBytes, "segments", log.Stats().Segments)
	return log, found, nil
}

func open(o Options) (log *Log, found Recovered, err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, Recovered{}, err
	}
	v := &volume{fs: o.FS, dir: dir, observe: o.Observe, metrics: o.Metrics, mutation: o.Mutation}
	for _, name := range []string{".", logDir, snapDir} {
		if err := v.makeDir(v.path(name)); err != nil {
			return nil, Recovered{}, err
		}
	}
	l := &Log{options: o, volume: v}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	if err := l.takeLock(); err != nil {
		return nil, Recovered{}, err
	}
	found, err = l.load()
	if err != nil {
		return nil, Recovered{}, err
	}
	return l, found, nil
}

func (l *Log) takeLock() error {
	h, err := l.volume.ensure(lockName)
	if err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	l.lock, err = l.volume.fs.Lock(l.volume.path(lockName))
	if errors.Is(err, ErrLocked) {
		err = fmt.Errorf("%w: stop it, or use another directory", err)
	}
	return err
}

// load reads the locked directory, repairs the tail and stands the log behind it.
func (l *Log) load() (Recovered, error) {
	m, err := readMeta(l.volume)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = l.initialise()
	}
	if err != nil {
		return Recovered{}, err
	}
	if err := m.checkOwner(l.options); err != nil {
		return Recovered{}, err
	}
	r := &recovery{volume: l.volume, logger: l.options.Logger}
	if r.directory, err = m.directoryID(); err != nil {
		return Recovered{}, l.volume.corrupt(metaName, 0, err)
	}
	var marked bool
	if r.mark, marked, err = readMark(l.volume, r.directory); err != nil {
		return Recovered{}, err
	}
	if !marked {
		l.options.Logger.Info("no mark of what was synced", "file", l.volume.path(markName))
	}
	if err := r.read(); err != nil {
		return Recovered{}, err
	}
	l.segment = r.tail.segment // released on failure from here on
	l.snapshots = &snapshots{volume: l.volume, directory: r.directory, logger: l.options.Logger}
	unused, err := l.snapshots.load(r)
	if err != nil {
		return Recovered{}, err
	}
	if l.mark, err = l.volume.ensure(markName); err != nil {
		return Recovered{}, err
	}
	found, err := r.repair()
	if err != nil {
		return Recovered{}, err
	}
	found.ClusterID, found.Bootstrap = m.Cluster, m.Bootstrap
	if err := l.snapshots.settle(unused); err != nil {
		return Recovered{}, err
	}
	return found, l.adopt(r, found.TornBytes)
}

// adopt stands the log behind what was recovered.
func (l *Log) adopt(r *recovery, torn int64) error {
	l.directory = r.directory
	l.number = r.tail.number
	l.offset = r.tail.end
	l.hard = r.state.HardState
	l.base = r.base
	l.base.reset = false
	l.outline = newOutline(r.state.Compacted, r.state.Entries)
	l.closed = r.closed
	l.snapshots.anchor(&l.outline)
	l.volume.metrics.recovered(torn)
	if err := l.writeMark(); err != nil {
		return err
	}
	if err := l.discard(r.leftovers); err != nil {
		return err
	}
	if err := l.drop(len(l.closed)); err != nil {
		return err
	}
	l.publish()
	return nil
}

// initialise makes a new directory: the first segment, then meta, whose presence says that all of
// the rest is there. A crash before that leaves a directory that is made again from the start.
func (l *Log) initialise() (meta, error) {
	v := l.volume
	var d directoryID
	if _, err := io.ReadFull(l.options.Rand, d[:]); err != nil {
		return meta{}, fmt.Errorf("draw the directory's id: %w", err)
	}
	b := appendHeader(nil, header{directory: d, segment: 1, first: 1})
	b = appendBatch(b, place{d, 1, headerBytes}, batch{hard: &protocol.HardState{}})
	if err := l.checkUnused(int64(len(b))); err != nil {
		return meta{}, err
	}
	h, err := v.ensure(segmentName(1))
	if err != nil {
		return meta{}, err
	}
	if err := errors.Join(writeFirst(v, h, b), h.Close()); err != nil {
		return meta{}, err
	}
	// The directories themselves may be left from an attempt that died before making them durable.
	if err := errors.Join(v.syncDir(logDir), v.syncAbove()); err != nil {
		return meta{}, err
	}
	m := meta{Format: formatVersion, Cluster: l.options.ClusterID, Node: l.options.NodeID, Directory: d.String(), Bootstrap: l.options.bootstrap()}
	l.options.Logger.Info("made data directory", "node", m.Node, "cluster", m.Cluster, "directory", m.Directory)
	return m, writeMeta(v, m)
}

func writeFirst(v *volume, h *handle, b []byte) error {
	if err := h.Truncate(0); err != nil {
		return err
	}
	if err := v.write(h, b, 0); err != nil {
		return err
	}
	return v.sync(h, int64(len(b)))
}

// checkUnused refuses to make a directory anew that lost its meta but holds a log or a snapshot.
func (l *Log) checkUnused(firstBytes int64) error {
	v := l.volume
	snaps, err := v.fs.ReadDir(v.path(snapDir))
	if err != nil {
		return err
	}
	lost := func(name string) error {
		return v.corrupt(metaName, 0, fmt.Errorf("meta is missing, but %s is there", v.path(name)))
	}
	names, err := v.fs.ReadDir(v.path(logDir))
	if err != nil {
		return err
	}
	for _, name := range snaps {
		if isSnapshotName(name) {
			return lost(snapDir + "/" + name)
		}
	}
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			continue
		}
		if number != 1 {
			return lost(segmentName(number))
		}
		h, err := v.open(segmentName(1))
		if err != nil {
			return err
		}
		size, err := h.Size()
		if err := errors.Join(err, h.Close()); err != nil {
			return err
		}
		if size > firstBytes {
			return lost(segmentName(1))
		}
	}
	return nil
}
