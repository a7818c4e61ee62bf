package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/scenario"
)

// metrics are what a harness that runs a cluster to look at tells of it. docs/harness.md lists them.
type metrics struct {
	registry   *prometheus.Registry
	operations *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	nodeUp     *prometheus.Desc
	fault      *prometheus.Desc

	mu      sync.Mutex // guards cluster, network
	cluster *cluster.Cluster
	network scenario.Network
}

// askTime bounds what one scrape waits for the proxy.
const askTime = 500 * time.Millisecond

// durationBuckets reach from a local read to the longest deadline, in seconds.
func durationBuckets() []float64 {
	return []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "harness_operations_total", Help: "Operations of the load that have ended.",
		}, []string{"op", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "harness_operation_duration_seconds", Help: "From the first attempt of an operation to its answer, or to when its client gave up.",
			Buckets: durationBuckets(),
		}, []string{"op", "outcome"}),
		nodeUp: prometheus.NewDesc("harness_node_up", "Whether the node's process runs.", []string{"node"}, nil),
		fault:  prometheus.NewDesc("harness_fault_active", "Whether the proxy has a fault of this sort in force, whoever put it there.", []string{"fault"}, nil),
	}
	for _, kind := range load.Kinds() { // every series exists from the first scrape
		for _, outcome := range []load.Outcome{load.OK, load.Failed, load.Unknown} {
			m.operations.WithLabelValues(string(kind), word(outcome))
			m.duration.WithLabelValues(string(kind), word(outcome))
		}
	}
	m.registry.MustRegister(m, m.operations, m.duration, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// word is an outcome as the metrics name it.
func word(o load.Outcome) string {
	if o == load.Failed {
		return "fail"
	}
	return string(o)
}

// done counts one operation.
func (m *metrics) done(op load.Operation) {
	m.operations.WithLabelValues(string(op.Kind), word(op.Outcome)).Inc()
	m.duration.WithLabelValues(string(op.Kind), word(op.Outcome)).Observe(float64(op.Ended()-op.Call) / 1e9)
}

// watch tells of a cluster's nodes and of the faults between them from now on.
func (m *metrics) watch(c *cluster.Cluster, n scenario.Network) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster, m.network = c, n
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.nodeUp
	out <- m.fault
}

// Collect implements [prometheus.Collector]: state is read when it is asked for.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	c, n := m.cluster, m.network
	m.mu.Unlock()
	if c == nil {
		return
	}
	for _, e := range c.Endpoints() {
		out <- prometheus.MustNewConstMetric(m.nodeUp, prometheus.GaugeValue, number(e.State != cluster.Down), e.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	faults, err := n.FaultsInForce(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.fault, err)
		return
	}
	for fault, active := range faults {
		out <- prometheus.MustNewConstMetric(m.fault, prometheus.GaugeValue, number(active), fault)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return mux
}
