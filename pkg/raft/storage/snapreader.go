package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"whitewater/pkg/raft/protocol"
)

// SnapshotReader reads the data of one snapshot; every byte is verified before it is returned, and a
// CorruptError ends the reading. Size is the data's length in bytes. ReadAt may be called from several
// goroutines. The file stays until Close.
type SnapshotReader = interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// OpenSnapshot opens a stored snapshot. It fails with ErrNoSnapshot when it is not there, or no longer.
func (l *Log) OpenSnapshot(meta protocol.SnapshotMeta) (SnapshotReader, error) {
	s := l.snapshots
	s.mu.Lock()
	one := s.findLocked(meta)
	if one == nil || s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: at %v, %d bytes, checksum %08x", ErrNoSnapshot, meta.Position, meta.Size, meta.Checksum)
	}
	one.readers++ // from here on it is not removed
	s.mu.Unlock()
	content, err := s.open(snapshotName(meta))
	if err == nil && content.meta != meta {
		err = errors.Join(s.volume.corrupt(snapshotName(meta), 0, errors.New("it is another snapshot than it was")), content.Close())
	}
	if err != nil {
		s.unpin(one)
		return nil, err
	}
	return &snapshotReader{snapshots: s, stored: one, content: content}, nil
}

// open opens a snapshot file and checks all but its data. It fails with a CorruptError, ErrVersion,
// or what the file system said.
func (s *snapshots) open(name string) (snapContent, error) {
	h, err := s.volume.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return snapContent{}, s.volume.corrupt(name, 0, errors.New("the snapshot is missing"))
	}
	if err != nil {
		return snapContent{}, err
	}
	content, bad, err := readContent(h, s.directory)
	if err == nil {
		return content, nil
	}
	if errors.Is(err, errDamaged) {
		err = s.volume.corrupt(name, bad, err)
	}
	return snapContent{}, errors.Join(err, h.Close())
}

func (s *snapshots) unpin(one *stored) {
	s.mu.Lock()
	one.readers--
	s.mu.Unlock()
	s.prune()
}

type snapshotReader struct {
	snapshots *snapshots
	stored    *stored
	content   snapContent

	mu     sync.Mutex // guards the rest, and is held while a block is read
	buf    []byte
	block  int64 // which one buf holds, if it is not empty
	closed bool
}

func (r *snapshotReader) Size() int64 { return r.content.meta.Size }

// ReadAt reads and verifies whole blocks; the last one is kept for a reader that goes on from there.
func (r *snapshotReader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("read a snapshot at offset %d: it begins at 0", offset)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, fs.ErrClosed
	}
	for n < len(p) {
		at := offset + int64(n)
		if at >= r.Size() {
			return n, io.EOF
		}
		block, err := r.load(at / snapBlockBytes)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], block[at%snapBlockBytes:])
	}
	return n, nil
}

func (r *snapshotReader) load(block int64) ([]byte, error) {
	if len(r.buf) > 0 && r.block == block {
		return r.buf, nil
	}
	if r.buf == nil {
		r.buf = make([]byte, 0, min(snapBlockBytes, r.Size()))
	}
	buf, err := r.content.readBlock(block, r.buf[:cap(r.buf)])
	if err != nil {
		r.buf = r.buf[:0]
		if errors.Is(err, errDamaged) {
			err = r.snapshots.volume.corrupt(r.content.name, dataAt(r.content.meta)+block*snapBlockBytes, err)
		}
		return nil, err
	}
	r.buf, r.block = buf, block
	return buf, nil
}

// Close lets the file be removed once nothing needs it.
func (r *snapshotReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fs.ErrClosed
	}
	r.closed = true
	err := r.content.Close()
	r.snapshots.unpin(r.stored)
	return err
}
