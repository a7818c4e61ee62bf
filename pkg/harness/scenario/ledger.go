package scenario

import (
	"maps"
	"slices"
	"strings"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// What a fault can be seen to have done.
const (
	effectHits    = "hits"
	effectLeaders = "leaders"
	effectTerms   = "terms"
	effectExits   = "exits"
	effectStops   = "stops"
	effectBytes   = "bytes"
)

// hitSeries is the proxy's count of what faults did on a link: messages touched, connections refused.
const hitSeries = "chaosproxy_faults_matched_total"

// entry is a fault in force, or one that was.
type entry struct {
	check.Fault
	action  string
	pending []string // nodes that still have to come back
	hits    float64  // the proxy's count on its links at the start
	term    uint64   // highest term at the start
}

// ledger keeps what was done to the cluster and what it did. Only the runner touches it.
type ledger struct {
	entries []*entry
}

// begin opens a fault. now is the state just before it takes effect.
func (l *ledger) begin(st *Step, target string, nodes []string, links []cluster.Link, now cluster.Snapshot, hits map[string]float64) *entry {
	e := &entry{
		Fault: check.Fault{
			Name: st.Name, Kind: st.action(), Target: target, Nodes: nodes, From: load.Monotonic(),
			Effect: map[string]float64{}, MinEffect: maps.Clone(st.Effect),
		},
		action: st.action(), pending: slices.Clone(nodes), term: now.MaxTerm(),
	}
	if e.Kind == "stop" {
		e.Kind = check.FaultRestart
	}
	for _, link := range links {
		e.Links = append(e.Links, [2]string{link.From, link.To})
	}
	e.hits = e.onLinks(hits)
	l.entries = append(l.entries, e)
	return e
}

// ended enters that a node's process has ended by itself, as it was to; a start or a restart ends that.
func (l *ledger) ended(node string, mono int64) {
	l.entries = append(l.entries, &entry{
		Fault: check.Fault{
			Name: "exit-" + node, Kind: check.FaultKill, Target: node, Nodes: []string{node}, From: mono,
			Effect: map[string]float64{effectExits: 1},
		},
		action: "kill", pending: []string{node},
	})
}

// onLinks sums the proxy's counts over the fault's links.
func (e *entry) onLinks(hits map[string]float64) float64 {
	sum := 0.0
	for _, link := range e.Links {
		sum += hits[link[0]+"->"+link[1]]
	}
	return sum
}

// end closes a fault and measures what it did.
func (e *entry) end(now cluster.Snapshot, hits map[string]float64) {
	if e.To != 0 {
		return
	}
	e.To = load.Monotonic()
	if len(e.Links) > 0 {
		e.Effect[effectHits] = e.onLinks(hits) - e.hits
	}
	leaders := 0
	for _, election := range now.Elections {
		if election.Mono >= e.From && election.Mono <= e.To {
			leaders++
		}
	}
	e.Effect[effectLeaders] = float64(leaders)
	e.Effect[effectTerms] = float64(now.MaxTerm() - e.term)
}

// open lists the faults in force.
func (l *ledger) open() []*entry {
	return slices.DeleteFunc(slices.Clone(l.entries), func(e *entry) bool { return e.To != 0 })
}

// back notes that nodes run again and returns the faults that are over by that.
func (l *ledger) back(nodes []string, actions ...string) []*entry {
	var over []*entry
	for _, e := range l.open() {
		if !slices.Contains(actions, e.action) {
			continue
		}
		e.pending = slices.DeleteFunc(e.pending, func(n string) bool { return slices.Contains(nodes, n) })
		if len(e.pending) == 0 {
			over = append(over, e)
		}
	}
	return over
}

// faults are all entries, for the judges.
func (l *ledger) faults() []check.Fault {
	var all []check.Fault
	for _, e := range l.entries {
		all = append(all, e.Fault)
	}
	return all
}

// hitsByLink reads the proxy's counts of what faults did from a sample.
func hitsByLink(s observe.Sample) map[string]float64 {
	hits := map[string]float64{}
	for series, value := range s.Series {
		if !strings.HasPrefix(series, hitSeries+"{") {
			continue
		}
		_, rest, _ := strings.Cut(series, `link="`)
		link, _, _ := strings.Cut(rest, `"`)
		hits[link] += value
	}
	return hits
}
