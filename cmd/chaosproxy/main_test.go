package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"whitewater/pkg/chaos"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chaosproxy": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "serve": serveLinks, "taken": taken,
		},
	})
}

// exits CODE PROGRAM ARGS... runs a program to its end and wants that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s: %v", code, args[0], err)
	}
}

// taken NAME takes a port and puts its address into the variable NAME.
func taken(ts *testscript.TestScript, neg bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}

// serveLinks ARGS... starts the program, lists its links once it is ready, sends it SIGTERM and wants exit code 0. Its
// stdout goes to the file stdout.txt, the links to links.txt.
func serveLinks(ts *testscript.TestScript, neg bool, args []string) {
	program := exec.Command(findProgram(ts), args...)
	program.Dir = ts.MkAbs(".")
	program.Stderr = ts.Stderr()
	pipe, err := program.StdoutPipe()
	ts.Check(err)
	ts.Check(program.Start())
	stop := time.AfterFunc(20*time.Second, func() { _ = program.Process.Kill() })
	defer stop.Stop()

	stdout := bufio.NewReader(pipe)
	line, err := stdout.ReadString('\n')
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("links.txt"), links(ts, strings.TrimPrefix(strings.TrimSpace(line), "ready api=")), 0o600))
	ts.Check(program.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(stdout)
	ts.Check(err)
	ts.Check(program.Wait())
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), append([]byte(line), rest...), 0o600))
}

// findProgram returns the path under which testscript runs this binary as chaosproxy.
func findProgram(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, "chaosproxy")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	ts.Fatalf("chaosproxy is not in PATH")
	return ""
}

// links describes what the control API at addr has.
func links(ts *testscript.TestScript, addr string) []byte {
	client := chaos.NewClient("http://" + addr)
	defer client.Close()
	all, err := client.Proxies(context.Background())
	ts.Check(err)
	var text strings.Builder
	for name, p := range all {
		fmt.Fprintf(&text, "%s enabled=%v upstream=%s protocol=%s\n", name, p.Enabled, p.Upstream, p.Protocol)
	}
	return []byte(text.String())
}
