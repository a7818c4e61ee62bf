package check

import (
	"cmp"
	"slices"

	"whitewater/pkg/harness/observe"
)

// The doctors change one thing in a run. Samples are named by their number, which is their time in fifths of a second.

func add(r *Run, node string, from int, series string, by float64) {
	for _, s := range r.Samples[node][from:] {
		if s.Err == "" {
			s.Series[series] += by
		}
	}
}

func addWhere(r *Run, node string, start float64, series string, by float64) {
	for _, s := range r.Samples[node] {
		if s.Err == "" && s.Start == start {
			s.Series[series] += by
		}
	}
}

func set(r *Run, node string, at int, series string, value float64) {
	r.Samples[node][at].Series[series] = value
}

func edit(r *Run, node, event string, change func(*observe.Event)) {
	for i := range r.Events[node] {
		if e := &r.Events[node][i]; e.Event == event {
			e.Entries = slices.Clone(e.Entries) // nodes share them
			change(e)
		}
	}
}

func keep(r *Run, node string, good func(observe.Event) bool) {
	r.Events[node] = slices.DeleteFunc(r.Events[node], func(e observe.Event) bool { return !good(e) })
}

func drop(r *Run, node, event string) {
	keep(r, node, func(e observe.Event) bool { return e.Event != event })
}

func repeat(r *Run, node, event string) {
	for i, e := range r.Events[node] {
		if e.Event == event {
			r.Events[node] = slices.Insert(r.Events[node], i, e)
			return
		}
	}
}

// insert puts an event in its place in time, in the incarnation of the one before it.
func insert(r *Run, node string, at float64, e observe.Event) {
	events := r.Events[node]
	e.Node, e.Mono = node, int64(at*float64(second))
	i, _ := slices.BinarySearchFunc(events, e.Mono, func(e observe.Event, mono int64) int { return int(e.Mono - mono) })
	e.Inc = events[i-1].Inc
	r.Events[node] = slices.Insert(events, i, e)
}

func become(r *Run, node string, term uint64, role string) {
	insert(r, node, 13, observe.Event{Event: observe.EventRole, Term: term, Role: role})
}

func votes(r *Run, node string, term uint64, candidate string) {
	insert(r, node, 13, observe.Event{Event: observe.EventVote, Term: term, Candidate: candidate, Granted: true})
}

// cutLogs cuts final logs behind an index.
func cutLogs(r *Run, last uint64, nodes ...string) {
	for _, node := range nodes {
		log := r.Logs[node]
		log.Entries = log.Entries[:last+1-log.First]
		r.Logs[node] = log
	}
}

// reorder puts a node's events in order of their times.
func reorder(r *Run, node string) {
	slices.SortStableFunc(r.Events[node], func(a, b observe.Event) int { return cmp.Compare(a.Mono, b.Mono) })
}

// otherwise are the entries of an event, with another term at index 5.
func otherwise(e *observe.Event) []observe.Mark {
	entries := slices.Clone(e.Entries)
	if e.First <= 5 && 5 <= e.Last {
		entries[5-e.First] = m(1, 50)
	}
	return entries
}

// rename gives a node's events of one incarnation, from a moment on, to another.
func rename(r *Run, node, inc, to string, from float64) {
	for i := range r.Events[node] {
		if e := &r.Events[node][i]; e.Inc == inc && e.Mono >= int64(from*float64(second)) {
			e.Inc = to
		}
	}
}
