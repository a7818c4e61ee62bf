package storage

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are the raft_storage_* metrics of one Log. A nil *Metrics counts nothing.
type Metrics struct {
	fsyncDuration  *prometheus.HistogramVec
	appendDuration prometheus.Histogram
	appendEntries  prometheus.Histogram
	writtenBytes   *prometheus.CounterVec
	logBytes       prometheus.Gauge
	tornBytes      prometheus.Gauge
}

// NewMetrics makes and registers the metrics. It panics if they are registered already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	latency := []float64{
		50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10,
	}
	factory := promauto.With(r)
	return &Metrics{
		fsyncDuration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "raft_storage_fsync_duration_seconds", Help: "Time of the fsync call alone, in seconds, by kind of file.",
			Buckets: latency, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		}, []string{"file"}),
		appendDuration: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "raft_storage_append_duration_seconds", Help: "Time to encode, write and fsync one group of batches, in seconds.",
			Buckets: latency,
		}),
		appendEntries: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "raft_storage_append_entries", Help: "Entries made durable by one group commit.",
			Buckets: []float64{1, 4, 16, 64, 256, 1024, 4096},
		}),
		writtenBytes: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "raft_storage_written_bytes_total", Help: "Bytes written, by kind of file.",
		}, []string{"file"}),
		logBytes: factory.NewGauge(prometheus.GaugeOpts{
			Name: "raft_storage_log_bytes", Help: "Size of all log segments, in bytes.",
		}),
		tornBytes: factory.NewGauge(prometheus.GaugeOpts{
			Name: "raft_storage_recovered_torn_bytes", Help: "Bytes of an unfinished write that were cut off the log at start.",
		}),
	}
}

func (m *Metrics) synced(file string, took time.Duration) {
	if m != nil {
		m.fsyncDuration.WithLabelValues(file).Observe(took.Seconds())
	}
}

func (m *Metrics) appended(entries int, took time.Duration) {
	if m != nil {
		m.appendDuration.Observe(took.Seconds())
		m.appendEntries.Observe(float64(entries))
	}
}

func (m *Metrics) wrote(file string, n int) {
	if m != nil {
		m.writtenBytes.WithLabelValues(file).Add(float64(n))
	}
}

func (m *Metrics) recovered(torn int64) {
	if m != nil {
		m.tornBytes.Set(float64(torn))
	}
}

func (m *Metrics) holds(bytes int64) {
	if m != nil {
		m.logBytes.Set(float64(bytes))
	}
}
