package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes content and length durable, and spares the timestamps.
func datasync(f *os.File) error {
	for {
		// EINTR says that the call did not run, so calling again retries no failure.
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
