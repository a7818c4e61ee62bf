package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// startTimeout is generous: a loaded machine takes seconds to start a process.
const startTimeout = 30 * time.Second

// process is a raftnode started by a test.
type process struct {
	cmd            *exec.Cmd
	lines          chan string // stdout, closed at its end
	stdout, stderr string      // files
	rpc, http      string      // from the ready line
}

// startProcess runs a raftnode; its output goes to two files in dir.
func startProcess(dir, name string, env []string, args ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command("raftnode", args...),
		lines:  make(chan string, 1024),
		stdout: filepath.Join(dir, name+".out"),
		stderr: filepath.Join(dir, name+".err"),
	}
	stdout, err := os.Create(p.stdout)
	if err != nil {
		return nil, err
	}
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, env, stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.lines)
		defer stdout.Close()
		scanner := bufio.NewScanner(pipe)
		for scanner.Scan() {
			fmt.Fprintln(stdout, scanner.Text())
			p.lines <- scanner.Text()
		}
	}()
	return p, nil
}

// awaitLine returns the first line from now on that begins with prefix.
func (p *process) awaitLine(prefix string) (string, error) {
	deadline := time.After(startTimeout)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				log, err := os.ReadFile(p.stderr)
				return "", fmt.Errorf("no line %q; stderr: %s (%v)", prefix, log, err)
			}
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		case <-deadline:
			return "", fmt.Errorf("no line %q in time", prefix)
		}
	}
}

func (p *process) awaitReady() error {
	line, err := p.awaitLine("ready ")
	if err != nil {
		return err
	}
	for _, field := range strings.Fields(line) {
		if address, ok := strings.CutPrefix(field, "rpc="); ok {
			p.rpc = address
		}
		if address, ok := strings.CutPrefix(field, "http="); ok {
			p.http = "http://" + address
		}
	}
	return nil
}

// stop sends a signal and returns the exit code, -1 for death by the signal.
func (p *process) stop(signal os.Signal) (int, error) {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return 0, err
	}
	return p.end()
}

// end waits for the process to end and returns its exit code.
func (p *process) end() (int, error) {
	for range p.lines { // Wait must not come before the pipe's end
	}
	err := p.cmd.Wait()
	if p.cmd.ProcessState == nil {
		return 0, err
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// awaitAnswer repeats a request that is refused with 503 or by a node that is gone, or whose outcome a change of leader
// left unknown (504), until it is answered with the status. headers are name, value pairs.
func awaitAnswer(method, url, body string, status int, headers ...string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := newClient()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		resp, text, err := ask(ctx, client, method, url, body, headers)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
		case err != nil:
			return nil, "", err
		case resp.StatusCode == status:
			return resp, text, nil
		case resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusGatewayTimeout:
			return nil, "", fmt.Errorf("%s %s: %d %s", method, url, resp.StatusCode, text)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, "", fmt.Errorf("%s %s: not answered with %d in time: %s (%w)", method, url, status, text, err)
		}
	}
}

// newClient keeps no connection, so that each request is answered by the node that is there then.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

func ask(ctx context.Context, client *http.Client, method, url, body string, headers []string) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	resp, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// The scripts have three commands of their own:
//
//	start NAME args…            runs raftnode and waits for its ready line; NAME.out and NAME.err are its output
//	terminate NAME CODE         sends SIGTERM and wants that exit code
//	code CODE args…             runs raftnode to its end and wants that exit code
//	damage FILE OFFSET          flips a byte; * in a name stands for what is there
//	http NAME METHOD PATH STATUS [BODY]  repeats the request while it is refused with 503; prints headers and body
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			processes := map[string]*process{}
			env.Values["processes"] = processes
			env.Defer(func() {
				for _, p := range processes {
					if p.cmd.ProcessState == nil {
						_, _ = p.stop(os.Kill) // the test is over: it has ended, or does now
					}
				}
			})
			return nil
		},
		Condition: func(name string) (bool, error) {
			return name == "mutants" && defaults().flagSet().Lookup("mutant") != nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"start":     scriptStart,
			"terminate": scriptStop,
			"http":      scriptHTTP,
			"code":      scriptCode,
			"damage":    scriptDamage,
		},
	})
}

func scriptProcesses(ts *testscript.TestScript) map[string]*process {
	return ts.Value("processes").(map[string]*process)
}

func scriptStart(ts *testscript.TestScript, _ bool, args []string) {
	env := []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
	p, err := startProcess(ts.MkAbs("."), args[0], env, args[1:]...)
	ts.Check(err)
	scriptProcesses(ts)[args[0]] = p
	ts.Check(p.awaitReady())
}

func scriptStop(ts *testscript.TestScript, _ bool, args []string) {
	code, err := scriptProcesses(ts)[args[0]].stop(syscall.SIGTERM)
	ts.Check(err)
	if fmt.Sprint(code) != args[1] {
		ts.Fatalf("%s ended with %d, want %s", args[0], code, args[1])
	}
}

func scriptCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("raftnode", args[1:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("ended with %d, want %s", code, args[0])
	}
}

func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%s are %d files, want one", args[0], len(files))
	}
	data, err := os.ReadFile(files[0])
	ts.Check(err)
	data[offset] ^= 0xff
	ts.Check(os.WriteFile(files[0], data, 0o644))
}

func scriptHTTP(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[3])
	ts.Check(err)
	url := scriptProcesses(ts)[args[0]].http + args[2]
	resp, body, err := awaitAnswer(args[1], url, strings.Join(args[4:], " "), status)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "ETag: %s\n%s\n", resp.Header.Get("ETag"), body)
	ts.Check(err)
}
