package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// prepare makes cmd die with the thread that starts it, in a process group of its own: a Ctrl-C at
// the terminal reaches the harness alone, which then stops its children in order.
func prepare(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return nil
}

// signalGroup signals every process of the group that pid leads.
func signalGroup(pid int, sig syscall.Signal) error {
	return syscall.Kill(-pid, sig)
}

// stopped reports whether the kernel has stopped the process: SIGSTOP takes effect a little after
// kill(2) has returned.
func stopped(pid int) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false, err
	}
	// The command's name stands in brackets and may hold anything, brackets too.
	_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	return ok && strings.HasPrefix(rest, "T"), nil
}
