package sim

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// drawnField is a field of plans with the values that are drawn for it, and no others.
type drawnField struct {
	name   string
	value  func(Plan) any
	values []any
}

func swarm() []drawnField {
	ms := func(each ...int) (all []any) {
		for _, n := range each {
			all = append(all, time.Duration(n)*time.Millisecond)
		}
		return all
	}
	return []drawnField{
		{"Nodes", func(p Plan) any { return p.Nodes }, []any{3, 4, 5, 7}},
		{"Spares", func(p Plan) any { return p.Spares }, []any{0, 1, 2}},
		{"Clients", func(p Plan) any { return p.Clients }, []any{2, 4, 8, 16}},
		{"Broken", func(p Plan) any { return p.Broken }, []any{false, true}},
		{"Loss", func(p Plan) any { return p.Network.Loss }, []any{0.0, 0.01, 0.05, 0.2}},
		{"Duplicate", func(p Plan) any { return p.Network.Duplicate }, []any{0.0, 0.05}},
		{"Delay", func(p Plan) any { return p.Network.Delay }, ms(1, 2, 10, 50, 150)},
		{"Late", func(p Plan) any { return p.Network.Late }, []any{0.0, 0.01, 0.05}},
		{"Latency", func(p Plan) any { return p.Disk.Latency }, ms(1, 2, 10, 80)},
		{"Stall", func(p Plan) any { return p.Disk.Stall }, []any{0.0, 0.01}},
		{"SnapshotEntries", func(p Plan) any { return p.Tuning.SnapshotEntries }, []any{0, 8, 20, 60}},
		{"SnapshotKeep", func(p Plan) any { return p.Tuning.SnapshotKeep }, []any{-1, 2, 10}},
		{"ChunkBytes", func(p Plan) any { return p.Tuning.ChunkBytes }, []any{64, 512, 1 << 20}},
		{"SegmentBytes", func(p Plan) any { return p.Tuning.SegmentBytes }, []any{int64(2048), int64(8192), int64(1 << 20)}},
		{"MaxBatch", func(p Plan) any { return p.Tuning.MaxBatch }, []any{0, 1, 3}},
		{"MaxInflight", func(p Plan) any { return p.Tuning.MaxInflight }, []any{0, 1, 8}},
		{"MaxPendingBytes", func(p Plan) any { return p.Tuning.MaxPendingBytes }, []any{0, 256}},
		{"SnapshotSenders", func(p Plan) any { return p.Tuning.SnapshotSenders }, []any{0, 1}},
		{"ApplyLatency", func(p Plan) any { return p.Tuning.ApplyLatency }, ms(0, 20, 60)},
		{"ApplyBatch", func(p Plan) any { return p.Tuning.ApplyBatch }, []any{0, 1, 3}},
		{"LeaseReads", func(p Plan) any { return p.Tuning.LeaseReads }, []any{false, true}},
		{"DisablePreVote", func(p Plan) any { return p.Tuning.DisablePreVote }, []any{false, true}},
	}
}

// swarmSeeds are enough for each value to come up.
const swarmSeeds = 500

// TestDraw_Swarm: over some hundred seeds each fault, each kind of operation and each value of what is configured comes up,
// and every plan is one that can be run.
func TestDraw_Swarm(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(swarmSeeds) {
		p := Draw(seed)
		if err := p.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, d := range swarm() {
			v := d.value(p)
			if !slices.Contains(d.values, v) {
				t.Errorf("seed %d: %s is %v, which has no row here", seed, d.name, v)
			}
			seen[fmt.Sprintf("%s %v", d.name, v)]++
		}
		for _, f := range p.Faults {
			seen["fault "+string(f.Kind)]++
			seen[fmt.Sprintf("at the leader %t", f.Target.Leader)]++
			seen[fmt.Sprintf("later steps %t", f.Step > 0)]++
		}
		for _, r := range p.Requests {
			seen["request "+string(r.Kind)]++
		}
	}
	want := []string{"at the leader true", "at the leader false", "later steps true", "later steps false"}
	for _, d := range swarm() {
		for _, v := range d.values {
			want = append(want, fmt.Sprintf("%s %v", d.name, v))
		}
	}
	for _, kind := range faultKinds {
		want = append(want, "fault "+string(kind))
	}
	for _, kind := range requestKinds {
		want = append(want, "request "+string(kind))
	}
	for _, name := range want {
		if seen[name] < 5 {
			t.Errorf("%s: %d times in %d seeds", name, seen[name], swarmSeeds)
		}
	}
}

// TestDraw_Fields: whoever adds something to configure adds how it is drawn to the table.
func TestDraw_Fields(t *testing.T) {
	var rows []string
	for _, d := range swarm() {
		rows = append(rows, d.name)
	}
	for _, part := range []any{Tuning{}, Network{}, Disk{}} {
		for field := range reflect.TypeOf(part).Fields() {
			if !slices.Contains(rows, field.Name) {
				t.Errorf("%T.%s has no row", part, field.Name)
			}
		}
	}
}

// TestDraw_Sense: what is drawn together goes together, in the order of time; each seed turns some faults off.
func TestDraw_Sense(t *testing.T) {
	kinds := map[string]bool{}
	for seed := range uint64(swarmSeeds) {
		p := Draw(seed)
		if !reflect.DeepEqual(p, Draw(seed)) {
			t.Fatalf("seed %d draws two plans", seed)
		}
		if p.Tuning.LeaseReads && (p.Tuning.DisablePreVote || p.Network.Delay > 50*time.Millisecond) || p.Tuning.DisablePreVote && p.Broken {
			t.Errorf("seed %d: %+v, broken %t", seed, p.Tuning, p.Broken)
		}
		if p.Nodes+p.Spares > 7 {
			t.Errorf("seed %d: %d and %d nodes", seed, p.Nodes, p.Spares)
		}
		if p.Duration < 20*time.Second || p.Duration > time.Minute {
			t.Errorf("seed %d lasts %v", seed, p.Duration)
		}
		on := map[FaultKind]bool{}
		for i, f := range p.Faults {
			on[f.Kind] = true
			if i > 0 && f.At < p.Faults[i-1].At {
				t.Fatalf("seed %d: fault %d comes too late", seed, i)
			}
		}
		for i, r := range p.Requests {
			if i > 0 && r.At < p.Requests[i-1].At || r.At < time.Second {
				t.Fatalf("seed %d: request %d comes too late", seed, i)
			}
		}
		if len(on) == len(faultKinds) {
			t.Errorf("seed %d has all faults on", seed)
		}
		kinds[fmt.Sprint(on)] = true
	}
	if len(kinds) < swarmSeeds/4 {
		t.Errorf("only %d different mixes of faults", len(kinds))
	}
}

// TestStream: what one link, disk or node draws depends on no other.
func TestStream(t *testing.T) {
	first := map[uint64]string{}
	for _, seed := range []uint64{0, 1, 2} {
		for _, purpose := range []string{"link", "disk", "node"} {
			for number := range uint64(64) {
				name := fmt.Sprint(seed, purpose, number)
				v := stream(seed, purpose, number).Uint64()
				if other, ok := first[v]; ok {
					t.Errorf("%s draws as %s does", name, other)
				}
				if first[v] = name; stream(seed, purpose, number).Uint64() != v {
					t.Errorf("%s draws otherwise the second time", name)
				}
			}
		}
	}
}
