package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargets_AreWhatPrometheusReads(t *testing.T) {
	s := upState{
		Cluster: "up", Proxy: "http://127.0.0.1:8474", Metrics: "http://127.0.0.1:8470",
		Nodes: []upNode{{ID: "n1", HTTP: "http://127.0.0.1:8101", RPC: "127.0.0.1:7101"}},
	}
	want := []target{
		{Targets: []string{"127.0.0.1:8101"}, Labels: map[string]string{"job": "raft", "cluster": "up", "node": "n1"}},
		{Targets: []string{"127.0.0.1:8474"}, Labels: map[string]string{"job": "chaosproxy", "cluster": "up"}},
		{Targets: []string{"127.0.0.1:8470"}, Labels: map[string]string{"job": "harness", "cluster": "up"}},
	}
	if diff := cmp.Diff(want, s.targets()); diff != "" {
		t.Error(diff)
	}
}

func TestReadState_TellsAReusedPidApart(t *testing.T) {
	dir := t.TempDir()
	if _, running, err := readState(dir); err != nil || running {
		t.Errorf("without a file: running %v, %v", running, err)
	}
	started, err := processStart(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start, want := range map[string]bool{started: true, started + "0": false} {
		if err := writeJSON(statePath(dir), upState{Pid: os.Getpid(), Started: start}); err != nil {
			t.Fatal(err)
		}
		if _, running, err := readState(dir); err != nil || running != want {
			t.Errorf("start %s: running %v (%v), want %v", start, running, err, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.new")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestMetrics_EverySeriesExistsFromTheFirstScrape(t *testing.T) {
	families, err := newMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	for name, want := range map[string]int{"harness_operations_total": 15, "harness_operation_duration_seconds": 15} {
		if series[name] != want {
			t.Errorf("%d series of %s, want %d", series[name], name, want)
		}
	}
}
