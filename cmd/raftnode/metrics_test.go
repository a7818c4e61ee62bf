package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// startInProcess runs three nodes in this process and returns them with who leads.
func startInProcess(t *testing.T) (nodes map[string]*node, leader *node) {
	t.Helper()
	relays := map[string]*relay{}
	var peers []string
	for _, id := range []string{"n1", "n2", "n3"} {
		relays[id] = newRelay(t)
		peers = append(peers, id+"="+relays[id].listener.Addr().String())
	}
	nodes = map[string]*node{}
	for id := range relays {
		c, _, err := load([]string{
			"--id", id, "--peers", strings.Join(peers, ","), "--rpc-listen", "127.0.0.1:0",
			"--http-listen", "127.0.0.1:0", "--data-dir", filepath.Join(t.TempDir(), id),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := start(c, slog.New(slog.DiscardHandler), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.stop("test"); err != nil {
				t.Error(err)
			}
		})
		nodes[id] = n
		relays[id].point(n.rpc.Addr().String())
	}
	resp, _, err := awaitAnswer("GET", "http://"+nodes["n1"].http.Addr().String()+"/readyz", "", 200)
	if err != nil {
		t.Fatal(err)
	}
	return nodes, nodes[resp.Header.Get("Raft-Leader")]
}

// Every metric that a node exports is on the page, and nothing else; the linter finds nothing.
func TestMetrics_ArePageAndClean(t *testing.T) {
	nodes, leader := startInProcess(t)
	rows := map[string]string{}
	for _, n := range nodes {
		families, err := n.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "process_") && !strings.HasPrefix(f.GetName(), "go_") {
				rows[f.GetName()] = row(f)
			}
		}
	}
	table := "| metric | type | labels | meaning |\n|---|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		table += rows[name]
	}
	problems, err := testutil.GatherAndLint(leader.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("linter: %s: %s", p.Metric, p.Text)
	}
	compareTable(t, "../../docs/metrics.md", "<!-- raftnode: written by go test ./cmd/raftnode -run Metrics -update -->\n", "<!-- raftnode ends -->\n", table)
}

func row(f *dto.MetricFamily) string {
	var labels []string
	for _, pair := range f.Metric[0].Label {
		labels = append(labels, "`"+pair.GetName()+"`")
	}
	if len(labels) == 0 {
		labels = []string{"–"}
	}
	kind := strings.ToLower(f.GetType().String())
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.GetName(), kind, strings.Join(labels, ", "), f.GetHelp())
}

// Every series exists from the first scrape on: what a node exports when busy it exports when idle.
func TestMetrics_IdleAsBusy(t *testing.T) {
	_, leader := startInProcess(t)
	before := series(t, leader)
	url := "http://" + leader.http.Addr().String()
	for i := range 20 {
		for _, r := range []struct{ method, path string }{{"PUT", "/v1/kv/k"}, {"GET", "/v1/kv/k"}, {"POST", "/v1/sessions"}} {
			status := 200
			if r.method == "POST" {
				status = 201
			}
			if _, _, err := awaitAnswer(r.method, url+r.path, fmt.Sprint(i), status); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range series(t, leader) {
		if !before[name] {
			t.Errorf("%s appeared under load", name)
		}
	}
}

// series names every series of a node.
func series(t *testing.T, n *node) map[string]bool {
	t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, f := range families {
		for _, m := range f.Metric {
			all[fmt.Sprint(f.GetName(), m.Label)] = true
		}
	}
	return all
}

// A node that fails while running ends with an error, not with a clean stop.
func TestNode_EndsWhenItsReplicaFails(t *testing.T) {
	_, leader := startInProcess(t)
	if err := leader.log.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := awaitAnswer("PUT", "http://"+leader.http.Addr().String()+"/v1/kv/k", "v", 504)
	if err != nil {
		t.Fatal(err)
	}
	reason, err := leader.wait(context.Background())
	if reason != "" || err == nil || !strings.Contains(err.Error(), "storage is closed") {
		t.Errorf("reason %q, error %v", reason, err)
	}
}
