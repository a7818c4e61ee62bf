package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"whitewater/pkg/raft/protocol"
)

const (
	logDir     = "log"
	snapDir    = "snap"
	lockName   = "lock"
	metaName   = "meta"
	draftExt   = ".tmp"
	metaDraft  = metaName + draftExt
	markName   = "mark"
	segmentExt = ".log"
)

// volume is the data directory: file operations by names relative to it, each durable step reported.
type volume struct {
	fs       FS
	dir      string
	metrics  *Metrics // may be nil
	mutation protocol.Mutation

	observing sync.Mutex   // makes calls of observe take turns
	observe   func(FileOp) // may be nil
}

// handle is an open file of a volume.
type handle struct {
	File
	name string // relative to the volume
}

func (v *volume) path(name string) string { return filepath.Join(v.dir, filepath.FromSlash(name)) }

func (v *volume) report(op FileOp) {
	if v.observe != nil {
		v.observing.Lock()
		defer v.observing.Unlock()
		v.observe(op)
	}
}

// makeDir makes dir and what is missing above it, each new name durable in its parent.
func (v *volume) makeDir(dir string) error {
	err := v.fs.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := v.makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = v.fs.Mkdir(dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return v.fs.SyncDir(filepath.Dir(dir))
}

// syncAbove makes the volume's own name durable, and those above it where that is allowed.
func (v *volume) syncAbove() error {
	above := filepath.Dir(v.dir)
	err := v.fs.SyncDir(above)
	for above != filepath.Dir(above) && err == nil {
		above = filepath.Dir(above)
		_ = v.fs.SyncDir(above) // most are older than this directory, and some cannot be opened
	}
	return err
}

func (v *volume) create(name string) (*handle, error) {
	f, err := v.fs.Create(v.path(name))
	if err != nil {
		return nil, err
	}
	v.report(FileOp{Op: OpCreate, File: name})
	return &handle{File: f, name: name}, nil
}

func (v *volume) open(name string) (*handle, error) {
	f, err := v.fs.Open(v.path(name))
	if err != nil {
		return nil, err
	}
	return &handle{File: f, name: name}, nil
}

// size is a file's length.
func (v *volume) size(name string) (size int64, err error) {
	h, err := v.open(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return h.Size()
}

// ensure opens a file, made if it is missing.
func (v *volume) ensure(name string) (*handle, error) {
	h, err := v.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return v.create(name)
	}
	return h, err
}

// write puts p at offset, all of it or an error.
func (v *volume) write(h *handle, p []byte, offset int64) error {
	n, err := h.WriteAt(p, offset)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	v.metrics.wrote(h.label(), n)
	if err != nil {
		return fmt.Errorf("write %d bytes to %s at offset %d: %w", len(p), v.path(h.name), offset, err)
	}
	return nil
}

// sync makes the first length bytes of h, all that it holds, durable.
func (v *volume) sync(h *handle, length int64) error {
	start := time.Now()
	err := h.Sync()
	v.metrics.synced(h.label(), time.Since(start))
	if err != nil {
		return fmt.Errorf("sync %s through offset %d: %w", v.path(h.name), length, err)
	}
	v.report(FileOp{Op: OpSync, File: h.name, Length: length})
	return nil
}

// syncDir makes the names in a directory of the volume durable.
func (v *volume) syncDir(name string) error {
	if err := v.fs.SyncDir(v.path(name)); err != nil {
		return fmt.Errorf("sync directory %s: %w", v.path(name), err)
	}
	v.report(FileOp{Op: OpSyncDir, File: name})
	return nil
}

func (v *volume) rename(from, to string) error {
	if err := v.fs.Rename(v.path(from), v.path(to)); err != nil {
		return err
	}
	v.report(FileOp{Op: OpRename, File: from, To: to})
	return nil
}

// remove takes names in one directory away, and then makes that durable. A loss of power in between may give
// any of them back; nothing durable may need them, and nothing may mind them.
func (v *volume) remove(names ...string) error {
	var errs []error
	var gone []string
	for _, name := range names {
		if err := v.fs.Remove(v.path(name)); err != nil {
			errs = append(errs, err)
			continue
		}
		gone = append(gone, name)
	}
	if len(gone) == 0 {
		return errors.Join(errs...)
	}
	// Reported only now: who imitates a loss of power in between has nothing to bring back.
	err := v.fs.SyncDir(v.path(path.Dir(gone[0])))
	for _, name := range gone {
		v.report(FileOp{Op: OpRemove, File: name})
	}
	if err != nil {
		err = fmt.Errorf("sync directory %s: %w", v.path(path.Dir(gone[0])), err)
		return errors.Join(append(errs, err)...)
	}
	v.report(FileOp{Op: OpSyncDir, File: path.Dir(gone[0])})
	return errors.Join(errs...)
}

// corrupt is the error for damage in a file of the volume.
func (v *volume) corrupt(name string, offset int64, err error) error {
	return &CorruptError{File: v.path(name), Offset: offset, Err: err}
}

// label is the file's name in metrics.
func (h *handle) label() string {
	switch path.Dir(h.name) {
	case logDir:
		return "log"
	case snapDir:
		return "snapshot"
	}
	return strings.TrimSuffix(h.name, draftExt)
}

// readAll reads a small file whole; longer than limit is an error.
func readAll(h *handle, limit int64) ([]byte, error) {
	size, err := h.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are expected", errDamaged, size, limit)
	}
	buf := make([]byte, size)
	if _, err := h.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return buf, nil
}
