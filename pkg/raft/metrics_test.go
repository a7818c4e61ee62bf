package raft

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"whitewater/pkg/raft/protocol"
)

// TestMetrics_SeriesAreThereFromTheStart: but for a leader's view of its peers, an idle node has the series
// of a busy one.
func TestMetrics_SeriesAreThereFromTheStart(t *testing.T) {
	registries := map[protocol.NodeID]*prometheus.Registry{}
	withMetrics := func(o *Options) {
		registries[o.ID] = prometheus.NewPedanticRegistry()
		o.Metrics = registries[o.ID]
	}
	run(t, 3, withMetrics, func(c *cluster) {
		before := seriesOf(t, registries["n1"])
		c.propose("x")
		c.crashAndRestart(c.leader())
		c.pass(time.Second)
		for id, registry := range registries {
			if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
				t.Errorf("%s: %v, %v", id, problems, err)
			}
			after := seriesOf(t, registry)
			for name, count := range after {
				if before[name] != count && !leaderOnly[name] {
					t.Errorf("%s: %s has %d series, %d on an idle node", id, name, count, before[name])
				}
			}
		}
	})
}

var leaderOnly = map[string]bool{
	"raft_peer_match_index": true, "raft_peer_inflight_requests": true, "raft_peer_contact_age_seconds": true, "raft_peer_state": true,
}

// seriesOf counts the series of each metric.
func seriesOf(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		series[family.GetName()] = len(family.GetMetric())
	}
	return series
}

// TestMetrics_HeartbeatRing counts the most heartbeats within a sliding second.
func TestMetrics_HeartbeatRing(t *testing.T) {
	s := newStats(time.Unix(0, 0))
	for i := range 30 {
		s.heartbeatSent("n2", time.Unix(0, 0).Add(time.Duration(i)*50*time.Millisecond))
	}
	if got := s.peer("n2").perSecondMax; got != 20 {
		t.Errorf("at a 50 ms period the most in a second is %d, want 20", got)
	}
	for i := range 200 {
		s.heartbeatSent("n3", time.Unix(0, int64(i)))
	}
	if got := s.peer("n3").perSecondMax; got != ring {
		t.Errorf("a burst of 200 shows as %d, want %d", got, ring)
	}
}
