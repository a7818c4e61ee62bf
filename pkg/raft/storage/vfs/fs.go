package vfs

import (
	"errors"
	"io"
)

// ErrLocked is returned by Lock when somebody else holds the lock; the text names the process where it is known.
var ErrLocked = errors.New("data directory is in use")

// FS is what storage asks of a file system. Names are paths. Errors satisfy errors.Is with
// fs.ErrExist and fs.ErrNotExist where those are the reason. Calls come from several goroutines at a time.
type FS interface {
	// Mkdir makes one directory; fs.ErrExist if the name is taken.
	Mkdir(dir string) error
	// ReadDir lists the names in a directory, sorted.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file; fs.ErrExist if the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading and writing; fs.ErrNotExist if there is none.
	Open(name string) (File, error)
	// Rename moves a file over another's name, atomically, durable after SyncDir.
	Rename(from, to string) error
	// Remove takes a file's name away; open files live on. Durable after SyncDir. fs.ErrNotExist if
	// there is none.
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes an existing file for this process until the result is closed, or fails at once
	// with ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	// WriteAt writes all of p or returns an error. It keeps no reference to p.
	io.WriterAt
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Truncate cuts the file; durable after Sync.
	Truncate(size int64) error
	// Sync makes the file's content and length durable; the name takes SyncDir. After an error
	// nothing is known about what was written since the last success, and another Sync does not help.
	Sync() error
}
