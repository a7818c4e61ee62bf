package deploy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// launcher starts processes that end with the test, even when the test is
// killed: the kernel kills a child when the thread that started it ends, so one
// goroutine holds one thread for as long as children may live.
type launcher struct {
	t     *testing.T
	start chan func()
}

func newLauncher(t *testing.T) *launcher {
	t.Helper()
	l := &launcher{t: t, start: make(chan func())}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		for start := range l.start {
			start()
		}
	}()
	t.Cleanup(func() {
		close(l.start)
		<-ended
	})
	return l
}

// process is one child. Its output goes to a file, which is shown when the test fails.
type process struct {
	name   string
	cmd    *exec.Cmd
	lines  chan string   // its standard output, closed at the end
	exited chan struct{} // closed once it is gone and reaped
}

func (l *launcher) run(name, path string, args ...string) *process {
	l.t.Helper()
	p := &process{
		name: name, cmd: exec.Command(path, args...),
		lines: make(chan string, 64), exited: make(chan struct{}),
	}
	log, err := os.Create(filepath.Join(l.t.TempDir(), "stderr"))
	if err != nil {
		l.t.Fatal(err)
	}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	started := make(chan error)
	l.start <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		l.t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.exited)
		defer close(p.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case p.lines <- scanner.Text():
			default: // nobody reads: the line is only worth something early on
			}
		}
		// How it ended shows in the log; a kill is the rule here.
		_ = p.cmd.Wait()
	}()
	l.t.Cleanup(func() {
		p.kill()
		_ = log.Close()
		if l.t.Failed() {
			l.t.Logf("last words of %s:\n%s", name, lastLines(log.Name(), 15))
		}
	})
	return p
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	// An error says that it is gone already.
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// awaitLine returns the first line of output that begins with prefix.
func (p *process) awaitLine(prefix string, within time.Duration) (string, error) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				return "", fmt.Errorf("%s ended before it said %q", p.name, prefix)
			}
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		case <-deadline.C:
			return "", fmt.Errorf("%s did not say %q within %v", p.name, prefix, within)
		}
	}
}

func lastLines(path string, n int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
