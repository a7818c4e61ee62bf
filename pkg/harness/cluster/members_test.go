package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/harness/observe"
)

func TestJoin_StartsSpares(t *testing.T) {
	c, links := startFake(t, func(o *Options) { o.Spares = 1 })
	if got := c.State("n4"); got != Absent {
		t.Fatalf("a spare is %s before its start", got)
	}
	if err := c.Restart(t.Context(), []string{"n4"}); err == nil {
		t.Error("a spare that never ran was restarted")
	}
	if err := c.Join(t.Context(), []string{"n1"}); err == nil {
		t.Error("a running node was started empty")
	}
	if err := c.Join(t.Context(), []string{"n4"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Endpoints() {
		for _, from := range c.Nodes() {
			if got := links.upstreams[Link{From: from, To: e.ID}]; from != e.ID && got != e.RPC {
				t.Errorf("the link from %s to %s leads to %q, want %s", from, e.ID, got, e.RPC)
			}
		}
	}
	founder, spare := c.arguments(c.nodes[0], 0), c.arguments(c.nodes[3], 3)
	if !slices.Contains(founder, "--bootstrap=n1,n2,n3") || slices.Contains(founder, "--join") || !hasPeer(founder, "n4") {
		t.Errorf("a founder's command line is %q", founder)
	}
	if !slices.Contains(spare, "--join") || strings.Contains(strings.Join(spare, " "), "--bootstrap") || !hasPeer(spare, "n1") {
		t.Errorf("a spare's command line is %q", spare)
	}
}

func hasPeer(args []string, id string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--peers=") && strings.Contains(a, id+"=127.0.0.1:") })
}

func TestWipe(t *testing.T) {
	c, _ := startFake(t, nil)
	n := c.nodes[1]
	if err := c.Wipe([]string{"n2"}, nil); err == nil {
		t.Error("a running node lost its directory")
	}
	if err := c.Kill([]string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(n.DataDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.DataDir(), "meta"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := openAppend(n.EventLog())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString(`{"seq":9,"inc":"torn`); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wipe([]string{"n2"}, map[string]string{"n2": "d2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(n.DataDir()); !errors.Is(err, os.ErrNotExist) || c.State("n2") != Absent {
		t.Errorf("after a wipe the directory is there (%v), the node %s", err, c.State("n2"))
	}
	if err := c.Restart(t.Context(), []string{"n2"}); err != nil || n.joins {
		t.Errorf("started as before: %v, joins %v", err, n.joins)
	}
	if err := c.Join(t.Context(), []string{"n2"}); err == nil {
		t.Error("a running node was started empty")
	}
	if err := c.Kill([]string{"n2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Wipe([]string{"n2"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Join(t.Context(), []string{"n2"}); err != nil || !n.joins {
		t.Errorf("started to join: %v, joins %v", err, n.joins)
	}
	events, err := observe.ReadEvents(n.EventLog())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, strings.TrimSpace(e.Event+" "+e.Directory))
	}
	if got := strings.Join(told, ", "); got != "start, wipe d2, start, wipe, start" {
		t.Errorf("the event log tells %s", got)
	}
}

func TestAwaitExit_CountsItAsExpected(t *testing.T) {
	c, _ := startFake(t, func(o *Options) { o.Flags = map[string]string{"fail": "later"} })
	exit, err := c.AwaitExit(t.Context(), "n2")
	if err != nil || exit.Clean || !strings.Contains(exit.How, "exit status 1") || c.State("n2") != Absent {
		t.Errorf("awaited %+v, %v; it is %s", exit, err, c.State("n2"))
	}
	c.watches.Wait()
	for _, e := range c.Unexpected() {
		if e.Node == "n2" {
			t.Errorf("an exit that was awaited is unexpected: %+v", e)
		}
	}
	if _, err := c.AwaitExit(t.Context(), "n2"); err == nil {
		t.Error("one exit was awaited twice")
	}
}

func TestAwaitExit_OfARunningNodeTakesTooLong(t *testing.T) {
	c, _ := startFake(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.AwaitExit(ctx, "n2"); !errors.Is(err, context.Canceled) {
		t.Errorf("awaited the end of a running node: %v", err)
	}
}

// A loss of power after a wipe knows nothing of what was there before.
func TestDisk_BeginsAnewWithAWipe(t *testing.T) {
	n := &Node{ID: "n1", Dir: t.TempDir(), disk: newDisk()}
	steps := []observe.Event{
		{Inc: "a", Event: observe.EventCreate, File: "log/1"},
		{Inc: "a", Event: observe.EventSync, File: "log/1", Length: 9},
		{Inc: "w", Event: observe.EventWipe},
		{Inc: "b", Event: observe.EventCreate, File: "meta"},
		{Inc: "b", Event: observe.EventSync, File: "meta", Length: 2},
	}
	var lines []byte
	seq := map[string]uint64{}
	for _, e := range steps {
		seq[e.Inc]++
		e.Seq = seq[e.Inc]
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	for _, read := range []int{0, 2} { // what was told before, and what came after the last look
		n.consumed, n.disk = 0, newDisk()
		if read > 0 {
			n.disk.observe([]FileOp{{Op: "create", File: "log/1"}})
			n.consumed = read
		}
		if err := os.WriteFile(n.EventLog(), lines, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := n.readSteps(); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int64{"meta": 2}; !maps.Equal(n.disk.synced, want) {
			t.Errorf("after the wipe %v is durable, want %v", n.disk.synced, want)
		}
	}
}
