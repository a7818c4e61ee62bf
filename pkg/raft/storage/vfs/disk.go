//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

type disk struct{}

// Disk returns the machine's own file system.
func Disk() FS { return disk{} }

func (disk) Mkdir(dir string) error { return os.Mkdir(dir, 0o750) }

func (disk) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (disk) Create(name string) (File, error) {
	return openDiskFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (disk) Open(name string) (File, error) { return openDiskFile(name, os.O_RDWR) }

func openDiskFile(name string, flags int) (File, error) {
	f, err := os.OpenFile(name, flags, 0o640)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

func (disk) Remove(name string) error { return os.Remove(name) }

func (disk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock also leaves the process id in the file, for whoever is refused.
func (disk) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w%s", ErrLocked, lockHolder(f))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// The lock holds without the number, so a full disk does not matter here.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

type readOnlyDisk struct{ disk }

// ReadOnlyDisk returns the machine's own file system for one who changes nothing: it opens files for reading alone,
// and its lock is one that many may hold.
func ReadOnlyDisk() FS { return readOnlyDisk{} }

func (readOnlyDisk) Open(name string) (File, error) { return openDiskFile(name, os.O_RDONLY) }

func (readOnlyDisk) Lock(name string) (io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w%s", ErrLocked, lockHolder(f))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockHolder reads the process id that Lock left, if it is there.
func lockHolder(f io.ReaderAt) string {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid <= 0 {
		return " by another process"
	}
	return fmt.Sprintf(" by process %d", pid)
}

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f diskFile) Sync() error {
	if err := datasync(f.File); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
