package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const endTime = 10 * time.Second

// nothingLeft fails if one of the processes lives on or one of the ports is open.
func nothingLeft(t *testing.T, table processTable, pidfds []int) {
	t.Helper()
	for i, fd := range pidfds {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(endTime.Milliseconds()))
		if err != nil || n == 0 {
			t.Errorf("process %d lives on (%v)", table.Pids[i], err)
		}
		if err := syscall.Kill(-table.Pids[i], 0); err == nil && !zombie(table.Pids[i]) {
			t.Errorf("process group %d lives on", table.Pids[i])
		}
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	}
	for _, address := range table.Ports {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			t.Errorf("%s is still open", address)
			conn.Close()
		}
	}
}

// zombie reports whether a process has ended and waits to be reaped: an orphan's new parent may take its time.
func zombie(pid int) bool {
	_, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	return errors.Is(err, os.ErrNotExist)
}

func openPids(t *testing.T, table processTable) []int {
	t.Helper()
	var fds []int
	for _, pid := range table.Pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatalf("process %d: %v", pid, err)
		}
		fds = append(fds, fd)
	}
	return fds
}

func TestClose_LeavesNoProcessAndNoPort(t *testing.T) {
	c, _ := startFake(t, nil)
	table := c.table()
	fds := openPids(t, table)
	if err := c.Stop(t.Context(), []string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(t.Context(), []string{"n3"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, table, fds)
}

func TestKilledHarness_LeavesNoProcessAndNoPort(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			harness := exec.Command(filepath.Join(fakeBin(t), fakeHarness), t.TempDir())
			harness.Stderr = os.Stderr
			out, err := harness.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := harness.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			var table processTable
			if err := json.Unmarshal(line, &table); err != nil {
				t.Fatal(err)
			}
			fds := openPids(t, table)
			if err := harness.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := harness.Wait(); err == nil {
				t.Error("the harness ended well, though it was killed")
			}
			nothingLeft(t, table, fds)
		})
	}
}

func TestStart_LeavesNothingWhenANodeFails(t *testing.T) {
	for _, how := range []string{"start", "mute"} {
		t.Run(how, func(t *testing.T) {
			opts := fakeOptions(t.TempDir(), fakeBin(t), &fakeLinks{upstreams: map[Link]string{}})
			opts.Flags = map[string]string{"fail": how}
			opts.ReadyTimeout = 500 * time.Millisecond
			if _, err := Start(t.Context(), opts); err == nil {
				t.Fatal("a node that is never ready was started")
			}
		})
	}
}
