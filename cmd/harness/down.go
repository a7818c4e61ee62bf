package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// downTime is how long a cluster may take to stop cleanly before it is killed.
const downTime = 20 * time.Second

func newDownCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End what harness up started",
		Args:  cobra.NoArgs,
		RunE:  command(func(cmd *cobra.Command, _ []string) error { return down(cmd, dir) }).run,
	}
	cmd.Flags().StringVar(&dir, "dir", defaultUpDir, "folder that harness up was given")
	return cmd
}

func down(cmd *cobra.Command, dir string) error {
	s, running, err := readState(dir)
	if err != nil {
		return err
	}
	if !running {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is up")
		return errors.Join(err, forget(dir))
	}
	if err := end(s.Pid); err != nil {
		return err
	}
	if err := forget(dir); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "down; data and logs stay in %s\n", dir)
	return err
}

// end asks a process to end and waits until it has; its children die with it.
func end(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd) // it was only read from
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("%v to process %d: %w", sig, pid, err)
		}
		if ended, err := awaitEnd(fd, downTime); ended || err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}

// awaitEnd waits until the process of a pidfd has ended, or for as long as given.
func awaitEnd(fd int, within time.Duration) (bool, error) {
	for deadline := time.Now().Add(within); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, err
		}
		if n > 0 {
			return true, nil
		}
	}
}

// forget removes the files that only mean something while a cluster is up.
func forget(dir string) error {
	var errs []error
	for _, path := range []string{statePath(dir), targetsPath(dir)} {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
