package storage

import (
	"errors"
	"fmt"

	"whitewater/pkg/raft/storage/vfs"
)

var (
	// ErrLocked is returned by Open when another process has the directory open; the text names it
	// where it is known. The caller should stop that process or use another directory.
	ErrLocked = vfs.ErrLocked
	// ErrForeign is returned by Open when the directory belongs to another cluster or node. The
	// caller should use this node's own directory or an empty one.
	ErrForeign = errors.New("data directory belongs to another node")
	// ErrVersion is returned by Open when a file has a format version that this program does not
	// know. The caller should run the version of the program that wrote it.
	ErrVersion = errors.New("unknown format version")
	// ErrFailed is returned by Persist once a write or sync went wrong, and by every call after it;
	// it wraps the cause. The caller should end the process: what is on disk is not known until the
	// directory is opened again.
	ErrFailed = errors.New("storage failed")
	// ErrClosed is returned by Persist, and by what stores snapshots, after Close.
	ErrClosed = errors.New("storage is closed")
	// ErrNoSnapshot is returned by OpenSnapshot when the snapshot is not stored, or no longer. The
	// caller should take a newer one.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrBatch is wrapped by ErrFailed when Persist was given a batch that cannot follow what the log
	// holds: an index gap, an unknown kind, something over a limit. It is a mistake of the caller.
	ErrBatch = errors.New("batch does not fit the log")
)

// errOldSnapshot ends an attempt to store a snapshot that is not newer than the newest own one.
var errOldSnapshot = errors.New("snapshot is not newer than this node's own")

// errDamaged marks bytes that do not verify. Whether they are a tear or damage depends on where they stand.
var errDamaged = errors.New("does not verify")

// CorruptError is returned by Open when the directory holds damage that is not a torn tail. Open has
// changed nothing.
type CorruptError struct {
	File   string // path of the damaged or missing file
	Offset int64  // of the first bad byte's batch, in bytes; 0 for the file as a whole
	Err    error  // what is wrong there
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: damaged at offset %d: %v. Nothing was changed. Keep a copy of the data directory and "+
		"put back a backup of it taken after this node last ran. Starting with an empty directory under the same "+
		"name makes the node forget its vote and the entries it acknowledged: do so only while every other member "+
		"is up, follows one leader and has caught up with it", e.File, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }
