package storage

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"whitewater/pkg/raft/storage/vfs"
)

// TestMetrics_CountWhatHappened also pins the names, which dashboards and docs/metrics.md rely on.
func TestMetrics_CountWhatHappened(t *testing.T) {
	registry := prometheus.NewRegistry()
	files := vfs.NewMem()
	options := testOptions(files)
	log, _ := mustOpen(t, options)
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 2)...))
	mustClose(t, log)
	lengthen(files, segmentPath(1), 1, 2, 3)

	options.Metrics = NewMetrics(registry)
	log, _ = mustOpen(t, options)
	mustPersist(t, log, persist(1, "n1", entriesFrom(3, 1, 3)...), persist(1, "n1", entriesFrom(6, 1, 2)...))
	defer func() { mustClose(t, log) }()

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*dto.MetricFamily{}
	var names []string
	for _, family := range families {
		got[family.GetName()] = family
		names = append(names, family.GetName())
	}
	want := []string{
		"raft_storage_append_duration_seconds", "raft_storage_append_entries", "raft_storage_fsync_duration_seconds",
		"raft_storage_log_bytes", "raft_storage_recovered_torn_bytes", "raft_storage_written_bytes_total",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("metrics %v, want %v", names, want)
	}
	for name, check := range map[string]struct{ got, want float64 }{
		"torn bytes":    {got["raft_storage_recovered_torn_bytes"].Metric[0].Gauge.GetValue(), 3},
		"log bytes":     {got["raft_storage_log_bytes"].Metric[0].Gauge.GetValue(), float64(log.offset)},
		"entries":       {got["raft_storage_append_entries"].Metric[0].Histogram.GetSampleSum(), 5},
		"group commits": {float64(got["raft_storage_append_duration_seconds"].Metric[0].Histogram.GetSampleCount()), 1},
	} {
		if check.got != check.want {
			t.Errorf("%s: %v, want %v", name, check.got, check.want)
		}
	}
	written := map[string]float64{}
	for _, m := range got["raft_storage_written_bytes_total"].Metric {
		written[m.Label[0].GetValue()] = m.Counter.GetValue()
	}
	if written["log"] == 0 || written["mark"] != 2*markBytes {
		t.Errorf("written bytes %v", written)
	}
	syncs := got["raft_storage_fsync_duration_seconds"].Metric[0]
	if syncs.Label[0].GetValue() != "log" || syncs.Histogram.GetSampleCount() != 3 || syncs.Histogram.Schema == nil {
		t.Errorf("fsyncs %v, want 3 (copy, repair, batch) of the log, native too", syncs)
	}
}
