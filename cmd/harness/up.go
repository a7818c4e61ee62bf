package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// upFlags are the flags of harness up.
type upFlags struct {
	dir        string
	bin        string
	foreground bool
	readyFD    int // where a detached harness tells its parent how the start went
}

const defaultUpDir = ".up"

var errNotReady = errors.New("it ended without a word")

func newUpCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start three nodes, a proxy and a gentle load to look at, and return",
		Long: "Start three nodes behind a proxy on the standard ports (HTTP 8101…, RPC 7101…, links 7201…, proxy API 8474,\n" +
			"the harness' own metrics 8470) under a gentle load, detach, and return once all is ready. harness down ends it.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error { return up(cmd, f) }).run,
	}
	cmd.Flags().StringVar(&f.dir, "dir", defaultUpDir, "folder for state, data and logs")
	cmd.Flags().StringVar(&f.bin, "nodes-bin", "", "folder of raftnode and chaosproxy (default: the harness' own)")
	cmd.Flags().BoolVar(&f.foreground, "foreground", false, "stay, and end with Ctrl-C")
	cmd.Flags().IntVar(&f.readyFD, "ready-fd", 0, "")
	if err := cmd.Flags().MarkHidden("ready-fd"); err != nil {
		panic(err) // the flag stands three lines above
	}
	return cmd
}

func up(cmd *cobra.Command, f upFlags) error {
	bin, err := binaries(f.bin, nil)
	if err != nil {
		return err
	}
	f.bin = bin
	if f.dir, err = filepath.Abs(f.dir); err != nil {
		return err
	}
	if s, running, err := readState(f.dir); err != nil {
		return err
	} else if running {
		return usage("a cluster is up already (process %d): end it with harness down", s.Pid)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return usage("--dir %s: %w: name a folder that can be made or written to", f.dir, err)
	}
	if f.foreground {
		return serve(cmd.Context(), f, cmd.OutOrStdout())
	}
	return detach(cmd.Context(), f, cmd.OutOrStdout())
}

// detach starts this program again in a session of its own, so that it outlives the shell, and passes on
// how its start went. An interruption until then ends what was started.
func detach(ctx context.Context, f upFlags, out io.Writer) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(f.dir, "harness.log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, read.Close()) }()
	child := exec.Command(self, "up", "--foreground", "--ready-fd=3", "--dir="+f.dir, "--nodes-bin="+f.bin)
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{write} // becomes descriptor 3
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	if err := write.Close(); err != nil { // the child's end is the only one left: its death is an EOF
		return err
	}
	defer context.AfterFunc(ctx, func() { child.Process.Signal(syscall.SIGTERM) })() // gone already is as good
	said, ready, err := hear(read)
	if err != nil {
		return err
	}
	if !ready {
		err := fmt.Errorf("the cluster did not come up (%w): see %s\n%s", cmp.Or(child.Wait(), errNotReady), log.Name(), strings.TrimRight(said, "\n"))
		if child.ProcessState.ExitCode() == exitUsage {
			return &exit{exitUsage, err}
		}
		return err
	}
	if _, err := io.WriteString(out, said); err != nil {
		return err
	}
	return child.Process.Release()
}

// hear returns what the detached harness says of its start; the last line is upReady, and left out, if it went well.
func hear(from io.Reader) (said string, ready bool, err error) {
	var b strings.Builder
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		if scanner.Text() == upReady {
			return b.String(), true, nil
		}
		fmt.Fprintln(&b, scanner.Text())
	}
	return b.String(), false, scanner.Err()
}
