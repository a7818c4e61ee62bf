package cluster

import (
	"errors"
	"os/exec"
	"runtime"
)

// errLauncherClosed is returned by Launcher.Start after Close.
var errLauncherClosed = errors.New("launcher is closed")

// Launcher starts every child from one thread. The parent-death signal belongs to the thread that
// forked, not to the process, so that thread must live as long as the children may.
type Launcher struct {
	requests chan launch
	quit     chan struct{}
	done     chan struct{}
}

type launch struct {
	cmd   *exec.Cmd
	reply chan error
}

// NewLauncher starts the goroutine that owns the thread.
func NewLauncher() *Launcher {
	l := &Launcher{requests: make(chan launch), quit: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *Launcher) run() {
	defer close(l.done)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and with it what still runs
	for {
		select {
		case r := <-l.requests:
			r.reply <- r.cmd.Start()
		case <-l.quit:
			return
		}
	}
}

// Start starts cmd in a process group of its own, to die with the launcher or the harness.
func (l *Launcher) Start(cmd *exec.Cmd) error {
	if err := prepare(cmd); err != nil {
		return err
	}
	r := launch{cmd: cmd, reply: make(chan error, 1)}
	select {
	case l.requests <- r:
		return <-r.reply
	case <-l.quit:
		return errLauncherClosed
	}
}

// Close ends the thread; the kernel kills every child that is left. Call it once.
func (l *Launcher) Close() {
	close(l.quit)
	<-l.done
}
