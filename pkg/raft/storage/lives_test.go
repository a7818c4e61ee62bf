package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"

	"whitewater/pkg/raft/storage/vfs"
)

// trouble is what goes wrong in the life of one process: what its disk does, and what its end leaves of that.
type trouble struct {
	fault func(vfs.Step) (int, error) // its errors are errCrashed, or errnos
	loss  vfs.Loss
}

// lives lets n processes follow each other on one disk, each in trouble, and a last one without. It tells what was lost
// of what one has acknowledged or found at its start, and what failed though no fault explains it.
func lives(seed uint64, n int, options func(FS) Options, next func(*rand.Rand) trouble) (*driver, error) {
	rng, d, files := rand.New(rand.NewPCG(seed, 1)), newDriver(seed), vfs.NewMem()
	for life := range n {
		one := next(rng)
		files.Fault = one.fault
		if err := live(d, options(files), 20); err != nil && !errors.Is(err, errCrashed) && !isErrno(err) {
			return d, fmt.Errorf("life %d: %w", life, err)
		}
		files = files.Crash(one.loss, rng)
	}
	return d, live(d, options(files), 1)
}

// live is one life of some operations. A failed snapshot ends nothing.
func live(d *driver, options Options, operations int) error {
	log, found, err := Open(options)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := d.adopt(log, found.State); err != nil {
		return err
	}
	for range operations {
		err = d.step()
		if errors.Is(err, ErrFailed) || errors.Is(err, errCrashed) || err != nil && !errors.Is(err, syscall.EIO) {
			return err
		}
	}
	return nil
}
