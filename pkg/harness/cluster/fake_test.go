package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

const fakeHarness = "fakeharness"

// fakeBin is a folder in which this test binary stands under every program's name.
func fakeBin(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{nodeProgram, mutantProgram, proxyProgram, fakeHarness} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeNode has a node's outside: ready line, listeners, event log, SIGTERM. n1 leads from its start.
// The flag --fail=HOW makes it misbehave.
func fakeNode(args []string) int {
	flags := map[string]string{}
	for _, a := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		flags[name] = value
	}
	if flags["fail"] == "start" {
		fmt.Fprintln(os.Stderr, "fake: told to fail")
		return 3
	}
	if flags["fail"] == "mute" {
		select {}
	}
	rpc, err1 := net.Listen("tcp", flags["rpc-listen"])
	http, err2 := net.Listen("tcp", flags["http-listen"])
	if err1 != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, err1, err2)
		return 1
	}
	defer rpc.Close()
	defer http.Close()
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	log, err := os.OpenFile(flags["event-log"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer log.Close()
	write := fakeEvents(log, flags["id"])
	write(observe.Event{Event: observe.EventStart, Term: 1})
	if flags["id"] == "n1" {
		write(observe.Event{Event: observe.EventRole, Term: 2, Role: observe.RoleLeader, OldRole: "follower"})
	}
	fmt.Printf("a human line\nready rpc=%s http=%s\n", rpc.Addr(), http.Addr())
	if flags["fail"] == "later" {
		return 1
	}
	<-terminated
	write(observe.Event{Event: observe.EventStop, Term: 2, Reason: "signal"})
	if flags["fail"] == "stop" {
		return 1
	}
	return 0
}

// fakeEvents numbers events as a node does.
func fakeEvents(log *os.File, node string) func(observe.Event) {
	inc, seq := fmt.Sprint(os.Getpid()), uint64(0)
	return func(e observe.Event) {
		seq++
		e.Seq, e.Inc, e.Node, e.Mono = seq, inc, node, load.Monotonic()
		line, err := json.Marshal(e)
		if err == nil {
			_, err = log.Write(append(line, '\n'))
		}
		if err != nil {
			panic(err)
		}
	}
}

func fakeProxy() int {
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	fmt.Printf("ready api=%s\n", api.Addr())
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	<-terminated
	return 0
}

// fakeLinks is a Proxy that keeps what it was told.
type fakeLinks struct {
	upstreams map[Link]string
}

func (f *fakeLinks) CreateLinks(_ context.Context, specs []LinkSpec) (map[Link]string, error) {
	listens := map[Link]string{}
	for i, s := range specs {
		listens[s.Link] = fmt.Sprintf("127.0.0.1:%d", i+1)
	}
	return listens, nil
}

func (f *fakeLinks) SetUpstreams(_ context.Context, upstreams map[Link]string) error {
	for l, a := range upstreams {
		f.upstreams[l] = a
	}
	return nil
}

func fakeOptions(dir, bin string, links *fakeLinks) Options {
	return Options{
		Dir: dir, Bin: bin, Nodes: 3, ClusterID: "fake",
		Connect: func(string) Proxy { return links },
	}
}

// startFake starts three fake nodes and waits for their leader.
func startFake(t *testing.T, change func(*Options)) (*Cluster, *fakeLinks) {
	t.Helper()
	links := &fakeLinks{upstreams: map[Link]string{}}
	opts := fakeOptions(t.TempDir(), fakeBin(t), links)
	if change != nil {
		change(&opts)
	}
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Await(t.Context(), "n1 leading", func(s Snapshot) bool { return s.Views["n1"].Role == "leader" }); err != nil {
		t.Fatal(err)
	}
	return c, links
}

// runFakeHarness starts a cluster, prints its processes and ports, and waits to be killed.
func runFakeHarness(dir string) int {
	c, err := Start(context.Background(), fakeOptions(dir, filepath.Dir(os.Args[0]), &fakeLinks{upstreams: map[Link]string{}}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := c.Pause(context.Background(), []string{"n3"}); err != nil { // a stopped process must die too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	text, err := json.Marshal(c.table())
	if err != nil {
		return 1
	}
	fmt.Println(string(text))
	select {}
}

// table lists a cluster's processes and listeners.
func (c *Cluster) table() processTable {
	table := processTable{Pids: []int{c.proxyRun.Pid()}, Ports: []string{strings.TrimPrefix(c.proxyURL, "http://")}}
	for _, n := range c.nodes {
		table.Pids = append(table.Pids, n.process.Pid())
		table.Ports = append(table.Ports, n.rpc, n.http)
	}
	return table
}

type processTable struct {
	Pids  []int
	Ports []string
}
