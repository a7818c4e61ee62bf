package transport

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// The closed sets of label values: every series exists from the first scrape on.
var (
	methods     = []string{appendEntries, requestVote, confirmLeader, readIndex, installSnapshot, timeoutNow}
	clientCodes = []string{
		"ok", "remote_error", "timeout", "canceled", "unreachable", "closed", "too_large", "malformed", "overloaded", "error",
	}
	serverCodes    = []string{"ok", "error", "too_large", "malformed"}
	unknownMethods = "unknown"
	connStates     = []wire.ConnState{wire.Idle, wire.Connecting, wire.Connected, wire.Backoff}
	dialResults    = []string{"ok", "error"}
)

// Metrics count calls in both directions.
type Metrics struct {
	clientRequests, serverRequests *prometheus.CounterVec
	clientSeconds, serverSeconds   *prometheus.HistogramVec
	inflight                       prometheus.Gauge
	connection                     *prometheus.GaugeVec
	dials, sent, received          *prometheus.CounterVec
}

// NewMetrics registers a transport's metrics; a registry takes those of one.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: raft.LatencyBuckets()}, labels)
	}
	m := &Metrics{
		clientRequests: counter("rpc_client_requests_total", "Calls to peers, by how they ended.", "peer", "method", "code"),
		clientSeconds:  histogram("rpc_client_duration_seconds", "Time from a call to its end.", "peer", "method"),
		serverRequests: counter("rpc_server_requests_total", "Peers' calls, by how they were answered.", "method", "code"),
		serverSeconds:  histogram("rpc_server_duration_seconds", "Time from a request's arrival to its reply.", "method"),
		inflight:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "rpc_server_inflight_requests", Help: "Peers' calls being served."}),
		connection: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rpc_peer_connection", Help: "1 for the state of the connection to the peer, else 0.",
		}, []string{"peer", "state"}),
		dials:    counter("rpc_dials_total", "Dials of the peer.", "peer", "result"),
		sent:     counter("rpc_sent_bytes_total", "Bytes of requests sent to the peer.", "peer"),
		received: counter("rpc_received_bytes_total", "Bytes of replies received from the peer.", "peer"),
	}
	registry.MustRegister(
		m.clientRequests, m.clientSeconds, m.serverRequests, m.serverSeconds, m.inflight,
		m.connection, m.dials, m.sent, m.received,
	)
	for _, method := range append([]string{unknownMethods}, methods...) {
		m.serverSeconds.WithLabelValues(method)
		for _, code := range serverCodes {
			m.serverRequests.WithLabelValues(method, code)
		}
	}
	return m
}

// addPeer makes every series of a peer exist.
func (m *Metrics) addPeer(peer string) {
	m.sent.WithLabelValues(peer)
	m.received.WithLabelValues(peer)
	for _, result := range dialResults {
		m.dials.WithLabelValues(peer, result)
	}
	for _, method := range methods {
		m.clientSeconds.WithLabelValues(peer, method)
		for _, code := range clientCodes {
			m.clientRequests.WithLabelValues(peer, method, code)
		}
	}
	m.setState(peer, wire.Idle)
}

// removePeer makes every series of a peer go.
func (m *Metrics) removePeer(id protocol.NodeID) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"peer": string(id)}
	m.clientSeconds.DeletePartialMatch(labels)
	m.connection.DeletePartialMatch(labels)
	for _, counters := range []*prometheus.CounterVec{m.clientRequests, m.dials, m.sent, m.received} {
		counters.DeletePartialMatch(labels)
	}
}

func (m *Metrics) setState(peer string, now wire.ConnState) {
	for _, state := range connStates {
		value := 0.0
		if state == now {
			value = 1
		}
		m.connection.WithLabelValues(peer, string(state)).Set(value)
	}
}

// client is what a peer's client tells.
func (m *Metrics) client(id protocol.NodeID) wire.ClientMetrics {
	if m == nil {
		return wire.ClientMetrics{}
	}
	peer := string(id)
	m.addPeer(peer)
	return wire.ClientMetrics{
		State: func(now wire.ConnState) { m.setState(peer, now) },
		Dialed: func(err error) {
			result := "ok"
			if err != nil {
				result = "error"
			}
			m.dials.WithLabelValues(peer, result).Inc()
		},
		Sent:     func(bytes int) { m.sent.WithLabelValues(peer).Add(float64(bytes)) },
		Received: func(bytes int) { m.received.WithLabelValues(peer).Add(float64(bytes)) },
		Called: func(method, result string, took time.Duration) {
			m.clientRequests.WithLabelValues(peer, method, result).Inc()
			m.clientSeconds.WithLabelValues(peer, method).Observe(took.Seconds())
		},
	}
}

// server is what the server tells.
func (m *Metrics) server() wire.ServerMetrics {
	if m == nil {
		return wire.ServerMetrics{}
	}
	return wire.ServerMetrics{
		Begun: func(string) { m.inflight.Inc() },
		Answered: func(method, code string, took time.Duration) {
			m.inflight.Dec()
			m.serverRequests.WithLabelValues(method, code).Inc()
			m.serverSeconds.WithLabelValues(method).Observe(took.Seconds())
		},
		Refused: func(code string) { m.serverRequests.WithLabelValues(unknownMethods, code).Inc() },
	}
}
