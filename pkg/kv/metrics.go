package kv

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft"
)

// ops and codes are the closed label sets: every series exists from the first scrape on.
var (
	ops   = []string{"get", "list", "put", "cas", "append", "delete", "session_create", "session_delete"}
	codes = []int{200, 201, 307, 400, 404, 409, 410, 412, 413, 422, 503, 504}
)

type metrics struct {
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	duplicates prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, machine *Machine) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kv_requests_total",
			Help: "Client requests answered, by operation and HTTP status code.",
		}, []string{"op", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                           "kv_request_duration_seconds",
			Help:                           "From the request's headers read to its answer written, in seconds, by operation.",
			Buckets:                        raft.LatencyBuckets(),
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100,
		}, []string{"op"}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "kv_duplicate_requests_total",
			Help: "Repeated writes that this node answered from the session table, without a second effect.",
		}),
	}
	for _, op := range ops {
		m.duration.WithLabelValues(op)
		for _, code := range codes {
			m.requests.WithLabelValues(op, strconv.Itoa(code))
		}
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.duplicates, newStateCollector(machine)} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(op string, code int, took time.Duration) {
	m.requests.WithLabelValues(op, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(op).Observe(took.Seconds())
}

// stateCollector reads all sizes of the state machine in one step.
type stateCollector struct {
	machine                        *Machine
	keys, bytes, sessions, expired *prometheus.Desc
}

func newStateCollector(machine *Machine) *stateCollector {
	return &stateCollector{
		machine:  machine,
		keys:     prometheus.NewDesc("kv_keys", "Keys in the applied state.", nil, nil),
		bytes:    prometheus.NewDesc("kv_state_bytes", "Bytes of keys and values in the applied state.", nil, nil),
		sessions: prometheus.NewDesc("kv_sessions", "Live client sessions in the applied state.", nil, nil),
		expired:  prometheus.NewDesc("kv_sessions_expired_total", "Sessions that expired by log time while this process applied the log.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.keys, c.bytes, c.sessions, c.expired} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	s := c.machine.stats()
	out <- prometheus.MustNewConstMetric(c.keys, prometheus.GaugeValue, float64(s.keys))
	out <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(s.bytes))
	out <- prometheus.MustNewConstMetric(c.sessions, prometheus.GaugeValue, float64(s.sessions))
	out <- prometheus.MustNewConstMetric(c.expired, prometheus.CounterValue, float64(s.sessionsExpired))
}
