package deploy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestPanelsShowAClusterWhoseLeadersAreKilled is the story the Elections
// dashboard is for, told to a real Prometheus by a real cluster:
//
//	n1 ──leads──╳ killed        back, follows
//	n2 ─────────── leads ──╳    killed, back
//	n3 ────────────────────── leads ─ alone ─ steps down ─ …
//
// Afterwards every panel has data, and those that must have moved did.
func TestPanelsShowAClusterWhoseLeadersAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	findPrometheus(t)
	c := newCluster(t)
	p := startPrometheus(t, c.launcher, c.targets())
	start := time.Now()
	c.startAll()
	p.awaitUp(3)
	leader, term := p.awaitLeader(0)
	for range 2 {
		killed := leader
		c.kill(killed)
		leader, term = p.awaitLeader(term)
		c.start(killed)
		p.awaitUp(3)
	}
	c.leaveAlone(p, leader, term)

	for _, a := range readDashboards(t) {
		if slices.Contains(elsewhere, metricOf(t, a)) {
			continue
		}
		expr := substitute(a.expr, clusterName, c.nodes)
		t.Run(a.title, func(t *testing.T) {
			p.in(t).showsWhatHappened(a.title, start, expr)
		})
	}
}

// showsWhatHappened waits until a panel has data: above 0, unless what it
// counts need not have happened.
// The heartbeats of a sound cluster keep to the limit throughout.
func (s *server) showsWhatHappened(title string, start time.Time, expr string) {
	s.t.Helper()
	mayStay := []string{
		"Refused votes",                   // elections may go smoothly
		"Heartbeats suppressed by pacing", // and so may replication
		"Heartbeats beyond the limit",
	}
	var shown []series
	s.await("data on panel "+title, func() bool {
		shown = s.since(start, expr)
		return len(shown) > 0 && (highest(shown) > 0 || slices.Contains(mayStay, title))
	})
	limits := map[string]float64{"Heartbeats beyond the limit": 0, "Most heartbeats in any one second": 10}
	if limit, limited := limits[title]; limited && highest(shown) > limit {
		s.t.Errorf("%v on panel %s, want at most %v", highest(shown), title, limit)
	}
}

// targets is what Prometheus is told to scrape, with the labels of a cluster
// that the harness started.
func (c *cluster) targets() []targetGroup {
	var groups []targetGroup
	for _, node := range c.nodes {
		groups = append(groups, targetGroup{
			Targets: []string{c.http[node]},
			Labels:  map[string]string{"job": "raft", "cluster": clusterName, "node": node},
		})
	}
	return groups
}

// leaveAlone kills all nodes but the leader, which thereby loses its quorum and
// steps down, and brings them back. Should it have stepped down before that, it
// has counted this too.
func (c *cluster) leaveAlone(p *server, leader string, term float64) {
	c.t.Helper()
	for _, node := range c.nodes {
		if node != leader {
			c.kill(node)
		}
	}
	p.await("the lonely leader to step down", func() bool {
		return len(p.now(`raft_role{role="leader",node="`+leader+`"} == 0`)) == 1
	})
	for _, node := range c.nodes {
		if node != leader {
			c.start(node)
		}
	}
	p.awaitLeader(term)
}

// awaitUp waits until n nodes answer their scrapes.
func (s *server) awaitUp(n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d nodes up", n), func() bool {
		return highest(s.now(`sum(up{job="raft"})`)) == float64(n)
	})
}

// awaitLeader waits for a leader of a term above after, known to a majority, and
// returns both.
func (s *server) awaitLeader(after float64) (leader string, term float64) {
	s.t.Helper()
	s.await(fmt.Sprintf("a leader of a term above %v", after), func() bool {
		leading := s.now(`raft_term and on (node) (raft_role{role="leader"} == 1)` +
			` and on () (max(sum by (leader) (raft_known_leader)) >= 2)`)
		if len(leading) != 1 || leading[0].values[0] <= after {
			return false
		}
		leader, term = leading[0].labels["node"], leading[0].values[0]
		return true
	})
	return leader, term
}

// highest returns the greatest value of all series, 0 when none is above.
func highest(answer []series) float64 {
	top := 0.0
	for _, line := range answer {
		top = max(top, slices.Max(line.values))
	}
	return top
}

// metricOf returns the first metric that an expression asks for.
func metricOf(t *testing.T, a ask) string {
	t.Helper()
	expr, err := parse(a.expr)
	if err != nil {
		t.Fatal(err)
	}
	return metricsBelow(expr)[0]
}
