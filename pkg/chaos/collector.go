package chaos

import (
	"github.com/prometheus/client_golang/prometheus"
)

// stateCollector emits what is read at scrape time, of all links from one look at the control state.
type stateCollector struct {
	server *Server

	info, enabled, connections, active *prometheus.Desc
	received, sent                     *prometheus.Desc
	toxiReceived, toxiSent             *prometheus.Desc // nil: not asked for
}

func newStateCollector(s *Server) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	c := &stateCollector{
		server:      s,
		info:        desc("chaosproxy_link_info", "The nodes whose calls a link carries; constant 1.", "link", "source", "target"),
		enabled:     desc("chaosproxy_link_enabled", "1 while the link listens.", "link"),
		connections: desc("chaosproxy_connections", "Connections open now.", "link"),
		active:      desc("chaosproxy_faults_active", "Faults of this type in force on the link.", "link", "fault"),
		received:    desc("chaosproxy_received_bytes_total", "Bytes read from a direction's sender.", "link", "direction"),
		sent:        desc("chaosproxy_sent_bytes_total", "Bytes written to a direction's receiver.", "link", "direction"),
	}
	if s.opts.ProxyMetrics {
		labels := []string{"direction", "listener", "proxy", "upstream"}
		c.toxiReceived = desc("toxiproxy_proxy_received_bytes_total", "Bytes read from a direction's sender, under Toxiproxy's name.", labels...)
		c.toxiSent = desc("toxiproxy_proxy_sent_bytes_total", "Bytes written to a direction's receiver, under Toxiproxy's name.", labels...)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.enabled, c.connections, c.active, c.received, c.sent, c.toxiReceived, c.toxiSent} {
		if d != nil {
			ch <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.server.states() {
		c.collectLink(ch, l)
	}
}

func (c *stateCollector) collectLink(ch chan<- prometheus.Metric, l linkState) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	name := l.proxy.Name
	gauge(c.info, 1, name, l.proxy.Source, l.proxy.Target)
	enabled := 0.0
	if l.proxy.Enabled {
		enabled = 1
	}
	gauge(c.enabled, enabled, name)
	gauge(c.connections, float64(l.connections), name)
	for _, fault := range faultTypes() {
		gauge(c.active, float64(l.active[fault]), name, fault)
	}
	for _, d := range []direction{upstream, downstream} {
		received, sent := float64(l.metrics.received[d].Load()), float64(l.metrics.sent[d].Load())
		ch <- prometheus.MustNewConstMetric(c.received, prometheus.CounterValue, received, name, d.String())
		ch <- prometheus.MustNewConstMetric(c.sent, prometheus.CounterValue, sent, name, d.String())
		if c.toxiReceived != nil {
			labels := []string{d.String(), l.proxy.Listen, name, l.proxy.Upstream}
			ch <- prometheus.MustNewConstMetric(c.toxiReceived, prometheus.CounterValue, received, labels...)
			ch <- prometheus.MustNewConstMetric(c.toxiSent, prometheus.CounterValue, sent, labels...)
		}
	}
}

// linkState is a link as one scrape sees it.
type linkState struct {
	proxy       Proxy
	connections int
	active      map[string]int
	metrics     *linkMetrics
}
