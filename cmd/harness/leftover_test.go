package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"whitewater/pkg/harness/scenario"
)

// patience bounds each wait: a machine under load takes its time.
const patience = time.Minute

// programs are built once for all tests of this package, and removed by TestMain.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

func buildPrograms() {
	if programs.dir, programs.err = os.MkdirTemp("", "harness-test-"); programs.err != nil {
		return
	}
	out, err := exec.Command("go", "build", "-o", programs.dir+"/", "../raftnode", "../chaosproxy", "../harness").CombinedOutput()
	if err != nil {
		programs.err = errors.Join(err, errors.New(string(out)))
	}
}

func binaryFolder(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real clusters")
	}
	programs.once.Do(buildPrograms)
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// children lists the command lines of processes that run a program of dir other than the harness.
func children(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, exe := range entries {
		target, err := os.Readlink(exe)
		if err != nil || filepath.Dir(target) != dir || filepath.Base(target) == "harness" {
			continue // gone meanwhile, or another's
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "cmdline"))
		if err == nil && len(text) > 0 {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

// start runs the harness until its load flows: operations are being recorded.
func start(t *testing.T, bin, out string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "harness"), append([]string{"run", "--out", out}, args...)...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recorded operations", func() bool {
		files, err := filepath.Glob(filepath.Join(out, "*", "*", "history.jsonl"))
		if err != nil || len(files) == 0 {
			return false
		}
		info, err := os.Stat(files[0])
		return err == nil && info.Size() > 0
	})
	return cmd, &text
}

// eventually waits for a fact of the file system or the process table, which tell nobody when they change.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

func code(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return ended.ExitCode()
}

func TestRun_PassLeavesNothingButItsFolder(t *testing.T) {
	bin, out := binaryFolder(t), t.TempDir()
	text, err := exec.Command(filepath.Join(bin, "harness"), "run", "leader-kill", "--out", out, "--seed", "11").CombinedOutput()
	if got := code(t, err); got != exitPass {
		t.Fatalf("exit code %d\n%s", got, text)
	}
	if left := children(t, bin); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
	if !strings.Contains(string(text), "seed 11") {
		t.Errorf("the verdict does not name its seed:\n%s", text)
	}
	folder, err := filepath.Glob(filepath.Join(out, "*-11", "leader-kill"))
	if err != nil || len(folder) != 1 {
		t.Fatalf("folders %v (%v)", folder, err)
	}
	for _, name := range []string{
		"scenario.yaml", "seed", "result.json", "history.jsonl", "samples.jsonl", "faults.jsonl", "logs.json", "harness.log",
		"n1/events.jsonl", "n1/stdout.log", "n1/stderr.log", "n1/data", "proxy/stdout.log", "../junit.xml",
	} {
		if _, err := os.Stat(filepath.Join(folder[0], name)); err != nil {
			t.Error(err)
		}
	}
	var result scenario.Result
	data, err := os.ReadFile(filepath.Join(folder[0], "result.json"))
	if err := errors.Join(err, json.Unmarshal(data, &result)); err != nil || result.Seed != 11 || len(result.Findings) == 0 {
		t.Errorf("result.json: %+v (%v)", result, err)
	}
}

func TestRun_RefusedFlagsAreUsage(t *testing.T) {
	bin, dir := binaryFolder(t), t.TempDir()
	file := filepath.Join(dir, "broken.yaml")
	err := os.WriteFile(file, []byte("name: broken\ndescription: flags that no node starts with\ncluster: {nodes: 3, flags: {election-timeout: 1ms}}\nexpect: {ok: {get: 1}}\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(filepath.Join(bin, "harness"), "run", file, "--out", dir, "--seed", "3").CombinedOutput()
	if got := code(t, err); got != exitUsage {
		t.Errorf("exit code %d\n%s", got, text)
	}
	for _, want := range []string{"not run", "election-timeout", file + ": n", "mend cluster"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if left := children(t, bin); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
}

func TestRun_SignalsStopAllAndSaySo(t *testing.T) {
	bin := binaryFolder(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd, text := start(t, bin, t.TempDir(), "steady", "leader-kill", "--parallel", "1")
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if got := code(t, cmd.Wait()); got != exitUnknown {
				t.Errorf("exit code %d", got)
			}
			if left := children(t, bin); len(left) > 0 {
				t.Errorf("still running: %q", left)
			}
			if !strings.Contains(text.String(), "steady") || strings.Count(text.String(), "interrupted") < 2 {
				t.Errorf("the report does not say what was interrupted:\n%s", text)
			}
		})
	}
}

func TestRun_KillNineLeavesNothing(t *testing.T) {
	bin := binaryFolder(t)
	cmd, _ := start(t, bin, t.TempDir(), "steady")
	if len(children(t, bin)) == 0 {
		t.Fatal("nothing runs: the test would prove nothing")
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a killed harness ended well")
	}
	eventually(t, "end of all children", func() bool { return len(children(t, bin)) == 0 })
}
