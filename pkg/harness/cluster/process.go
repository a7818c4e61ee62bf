package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyPrefix  = "ready "
	maxReadyLine = 4 << 10 // a longer line is no ready line
	copyGrace    = 2 * time.Second
)

// Process is one child. Its standard output and error are appended to two files of its folder.
type Process struct {
	Name string

	cmd    *exec.Cmd
	ready  chan string   // capacity 1
	exited chan struct{} // closed once the child is reaped
	err    error         // of Wait; read after exited
}

// startProcess starts a program whose output goes to <dir>/stdout.log and <dir>/stderr.log.
func startProcess(l *Launcher, name, dir, program string, args ...string) (*Process, error) {
	stdout, err := openAppend(filepath.Join(dir, "stdout.log"))
	if err != nil {
		return nil, err
	}
	stderr, err := openAppend(filepath.Join(dir, "stderr.log"))
	if err != nil {
		return nil, errors.Join(err, stdout.Close())
	}
	p := &Process{Name: name, ready: make(chan string, 1), exited: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout = &readyWatcher{out: stdout, ready: p.ready}
	p.cmd.Stderr = stderr
	p.cmd.WaitDelay = copyGrace
	if err := l.Start(p.cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s (%s): %w", name, program, err), stdout.Close(), stderr.Close())
	}
	go func() {
		p.err = errors.Join(p.cmd.Wait(), stdout.Close(), stderr.Close())
		close(p.exited)
	}()
	return p, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// AwaitReady returns the fields of the ready line, such as rpc and http.
func (p *Process) AwaitReady(ctx context.Context) (map[string]string, error) {
	select {
	case line := <-p.ready:
		return readyFields(line), nil
	case <-p.exited:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s printed no ready line in time: %w", p.Name, ctx.Err())
	}
	select {
	case line := <-p.ready: // it was ready, and ended since
		return readyFields(line), nil
	default:
		return nil, fmt.Errorf("%s ended before it was ready (%s): %s", p.Name, p.ExitText(), lastLine(p.cmd.Stderr))
	}
}

func readyFields(line string) map[string]string {
	fields := map[string]string{}
	for _, word := range strings.Fields(line) {
		if key, value, ok := strings.Cut(word, "="); ok {
			fields[key] = value
		}
	}
	return fields
}

// Signal sends sig to the child's process group. A child that is gone is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := signalGroup(p.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%v to %s: %w", sig, p.Name, err)
	}
	return nil
}

// Exited is closed once the child is gone and its output is in the files.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitText says how the child ended; call it after Exited.
func (p *Process) ExitText() string {
	if p.cmd.ProcessState == nil {
		return fmt.Sprint(p.err)
	}
	return p.cmd.ProcessState.String()
}

// clean reports whether the child ended with code 0; call it after Exited.
func (p *Process) clean() bool { return p.cmd.ProcessState != nil && p.cmd.ProcessState.Success() }

// refused reports whether the child has ended with exitSettings.
func (p *Process) refused() bool {
	select {
	case <-p.exited:
		return p.cmd.ProcessState != nil && p.cmd.ProcessState.ExitCode() == exitSettings
	default:
		return false
	}
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// kill ends the group with SIGKILL and waits until the child is reaped.
func (p *Process) kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// lastLine is the last line of a log file, for an error message.
func lastLine(w io.Writer) string {
	f, ok := w.(*os.File)
	if !ok {
		return ""
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// readyWatcher passes output on and picks out the first line that starts with "ready ".
type readyWatcher struct {
	out   io.Writer
	ready chan string

	mu   sync.Mutex // guards line, done
	line []byte
	done bool
}

func (w *readyWatcher) Write(p []byte) (int, error) {
	w.scan(p)
	return w.out.Write(p)
}

func (w *readyWatcher) scan(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.done && len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if len(w.line)+len(line) <= maxReadyLine {
			w.line = append(w.line, line...)
		}
		if !whole {
			return
		}
		if text, ok := strings.CutPrefix(string(w.line), readyPrefix); ok {
			w.ready <- text
			w.done = true
		}
		w.line, p = w.line[:0], rest
	}
}
