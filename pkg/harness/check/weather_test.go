package check

import (
	"slices"
	"testing"
)

func TestCore(t *testing.T) {
	pairs := func(names ...string) [][2]string {
		var links [][2]string
		for i := 0; i < len(names); i += 2 {
			links = append(links, [2]string{names[i], names[i+1]})
		}
		return links
	}
	for _, tc := range []struct {
		what     string
		nodes    []string
		faults   []Fault
		whole    []string // of whole links alone
		troubled []string // troubled links allowed
	}{
		{"nothing wrong", []string{"a", "b", "c"}, nil, []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		{"one down", []string{"a", "b", "c"}, []Fault{{Kind: FaultKill, Target: "a"}}, []string{"b", "c"}, []string{"b", "c"}},
		{"two paused", []string{"a", "b", "c"}, []Fault{{Kind: FaultPause, Target: "two", Nodes: []string{"a", "b"}}}, nil, nil},
		{"one link cut one way", []string{"a", "b", "c"}, []Fault{{Kind: FaultPartition, Links: pairs("a", "b")}}, []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		{"packets of a to all vanish", []string{"a", "b", "c"}, []Fault{{
			Kind: FaultPartition, Direction: DirectionPackets, Links: pairs("a", "b", "a", "c"),
		}}, []string{"b", "c"}, []string{"b", "c"}},
		{"a ring of calls", []string{"a", "b", "c"}, []Fault{{Kind: FaultPartition, Links: pairs("a", "b", "b", "c", "c", "a")}}, nil, nil},
		{"lossy links", []string{"a", "b", "c"}, []Fault{{Kind: "drop", Links: pairs("a", "b", "b", "a", "b", "c", "a", "c")}}, nil, []string{"a", "b", "c"}},
		{"half of four", []string{"a", "b", "c", "d"}, []Fault{{Kind: FaultPartition, Links: pairs("a", "c", "a", "d", "b", "c", "b", "d")}}, nil, nil},
		{"one node", []string{"a"}, nil, []string{"a"}, []string{"a"}},
		{"over before", []string{"a", "b", "c"}, []Fault{{Kind: FaultKill, Target: "a", From: 1, To: 5}}, []string{"a", "b", "c"}, []string{"a", "b", "c"}},
	} {
		run := &Run{Nodes: tc.nodes, Faults: tc.faults, Start: 10, End: 20}
		spans := run.spans()
		if len(spans) != 1 {
			t.Errorf("%s: %d spans, want one", tc.what, len(spans))
			continue
		}
		if got := sortedKeys(run.core(spans[0], false)); !slices.Equal(got, tc.whole) {
			t.Errorf("%s: core %v, want %v", tc.what, got, tc.whole)
		}
		if got := sortedKeys(run.core(spans[0], true)); !slices.Equal(got, tc.troubled) {
			t.Errorf("%s: core with troubled links %v, want %v", tc.what, got, tc.troubled)
		}
	}
}

func TestSpans_CutWhereAFaultBeginsOrEnds(t *testing.T) {
	run := &Run{Nodes: []string{"a", "b", "c"}, Start: 10, End: 50, Faults: []Fault{
		{Kind: FaultKill, Target: "a", From: 20, To: 30}, {Kind: FaultPause, Target: "b", From: 30}, {Kind: FaultKill, Target: "c", From: 5, To: 60},
	}}
	var got [][2]int64
	for _, s := range run.spans() {
		got = append(got, [2]int64{s.from, s.to})
		if s.down["a"] != (s.from == 20) || s.down["b"] != (s.from == 30) || !s.down["c"] {
			t.Errorf("down from %d to %d: %v", s.from, s.to, s.down)
		}
	}
	if want := [][2]int64{{10, 20}, {20, 30}, {30, 50}}; !slices.Equal(got, want) {
		t.Errorf("spans %v, want %v", got, want)
	}
}
