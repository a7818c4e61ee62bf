package check

import (
	"cmp"
	"slices"

	"whitewater/pkg/harness/observe"
)

// samplesByProcess are a node's good samples, one slice per process, in the order in which the pages
// were made. Counters and indexes are compared within one process alone.
func samplesByProcess(samples []observe.Sample) [][]observe.Sample {
	var processes [][]observe.Sample
	place := map[float64]int{}
	for _, s := range samples {
		if s.Err != "" {
			continue
		}
		i, known := place[s.Start]
		if !known {
			i = len(processes)
			place[s.Start] = i
			processes = append(processes, nil)
		}
		processes[i] = append(processes[i], s)
	}
	for _, p := range processes {
		slices.SortStableFunc(p, func(a, b observe.Sample) int {
			return cmp.Or(cmp.Compare(a.Series[monotonicSeries], b.Series[monotonicSeries]), cmp.Compare(a.Mono, b.Mono))
		})
	}
	return processes
}

const monotonicSeries = "raft_monotonic_seconds"

// eventsByProcess cuts a node's events wherever a process began. A wipe is no process' event and is left out.
func eventsByProcess(events []observe.Event) [][]observe.Event {
	var processes [][]observe.Event
	inc := ""
	for i, e := range events {
		if e.Event == observe.EventWipe {
			continue
		}
		if i == 0 || e.Inc != inc {
			processes = append(processes, nil)
		}
		inc = e.Inc
		last := len(processes) - 1
		processes[last] = append(processes[last], e)
	}
	return processes
}

// wipedBetween reports whether a node's disk was taken between two moments.
func (r *Run) wipedBetween(node string, from, to int64) bool {
	return slices.ContainsFunc(r.Events[node], func(e observe.Event) bool {
		return e.Event == observe.EventWipe && from <= e.Mono && e.Mono <= to
	})
}

// byTime merges the events of all nodes.
func (r *Run) byTime() []observe.Event {
	var all []observe.Event
	for _, node := range r.Nodes {
		all = append(all, r.Events[node]...)
	}
	slices.SortStableFunc(all, func(a, b observe.Event) int { return cmp.Compare(a.Mono, b.Mono) })
	return all
}
