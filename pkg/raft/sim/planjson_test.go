package sim

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// bigPlan is a plan with a bit of everything.
func bigPlan(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := Plan{
		Seed: seed, Nodes: 5, Spares: 2, Duration: 20 * time.Second, Clients: 4, Core: 7, Broken: true,
		Tuning:  Tuning{SnapshotEntries: 10, SnapshotKeep: -1, ChunkBytes: 64, SegmentBytes: 4096, MaxBatch: 3, LeaseReads: true},
		Network: Network{Loss: 0.02, Duplicate: 0.25, Delay: 40 * time.Millisecond, Late: 0.1},
		Disk:    Disk{Latency: 20 * time.Millisecond, Stall: 0.01},
	}
	for i := range 60 {
		at := time.Duration(i) * 300 * time.Millisecond
		p.Requests = append(p.Requests, Request{At: at, Client: r.IntN(4), Kind: requestKinds[r.IntN(5)], Key: r.IntN(4)})
	}
	for i := range 30 {
		p.Faults = append(p.Faults, Fault{
			At: time.Duration(i) * 600 * time.Millisecond, For: time.Duration(r.IntN(3000)) * time.Millisecond,
			Kind: faultKinds[i%len(faultKinds)], Target: Target{Node: r.IntN(7)}, Other: Target{Leader: true, Node: r.IntN(7)},
			Step: r.IntN(3), Pick: r.Uint64(),
		})
	}
	return p
}

func TestPlan_JSON(t *testing.T) {
	for _, plan := range []Plan{bigPlan(1), {Nodes: 1}, {Seed: 1<<64 - 1, Nodes: 9, Duration: time.Second}} {
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParsePlan(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(got, plan) {
			t.Errorf("wrote\n%+v\nread\n%+v", plan, got)
		}
	}
}

// TestPlan_JSONWhole: no field, present or to come, is lost on the way.
func TestPlan_JSONWhole(t *testing.T) {
	var plan Plan
	fill(reflect.ValueOf(&plan).Elem())
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	var got Plan
	if err := decodeValue(reflect.ValueOf(&got).Elem(), value, "plan"); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, plan) {
		t.Errorf("wrote\n%+v\nread\n%+v", plan, got)
	}
}

// fill sets each field to something.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(17)
	case reflect.Uint64:
		v.SetUint(18)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.String:
		v.SetString("word")
	}
}

func TestParsePlan_Refuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "not JSON"},
		{`[]`, "plan is no object"},
		{`{"Nodes":3} {}`, "something follows"},
		{`{"Nodes":0}`, "Nodes is 0, must be from 1 to 9"},
		{`{"Nodes":10}`, "must be from 1 to 9"},
		{`{"Nodes":9,"Spares":1}`, "Nodes and Spares together is 10"},
		{`{"Nodes":3,"Nodez":1}`, `no field "Nodez"`},
		{`{"Nodes":3,"Duration":5}`, `Duration is 5, must be a duration such as "1.5s"`},
		{`{"Nodes":3,"Duration":"2h"}`, "Duration is 2h0m0s, must be from 0s to 1h0m0s"},
		{`{"Nodes":3,"Network":{"Loss":2}}`, "Network.Loss is 2, must be a share from 0 to 1"},
		{`{"Nodes":3,"Network":{"Loss":"a"}}`, "Network.Loss is"},
		{`{"Nodes":3,"Clients":1,"Requests":[{"Client":1,"Kind":"put"}]}`, "Requests[0].Client is 1"},
		{`{"Nodes":3,"Clients":1,"Requests":[{"Kind":"steal"}]}`, `Requests[0].Kind "steal" is not known`},
		{`{"Nodes":3,"Faults":[{"Kind":"kill","At":"2s"},{"Kind":"kill","At":"1s"}]}`, "Faults[1].At is 1s, before the one above (2s)"},
		{`{"Nodes":3,"Faults":[{"Kind":"kill","Target":{"Node":3}}]}`, "Faults[0].Target.Node is 3"},
		{`{"Nodes":null}`, "Nodes is null"},
	} {
		_, err := ParsePlan([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// FuzzParsePlan: whatever is taken is written and read as the same.
func FuzzParsePlan(f *testing.F) {
	text, err := json.Marshal(bigPlan(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"Nodes":3,"Faults":[{"Kind":"kill","At":"2s"}],"Requests":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := ParsePlan(text)
		if err != nil {
			return
		}
		_ = plan.String()
		written, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePlan(written)
		if err != nil || !reflect.DeepEqual(plan, again) {
			t.Errorf("%v: read\n%+v\nthen\n%+v", err, plan, again)
		}
	})
}

func TestPlan_String(t *testing.T) {
	p := bigPlan(8)
	p.Faults = p.Faults[:8]
	text := p.String()
	for _, want := range []string{
		"seed 8: 5 nodes, 2 spares, 4 clients, 20s\n", "lost 2%", "60 requests from 0s to 17.7s on 4 keys: ", "  at 0s         kill n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestFault_String: of a fault only what it heeds is told.
func TestFault_String(t *testing.T) {
	for want, f := range map[string]Fault{
		"remove n3":                            {Kind: Remove, Target: Target{Node: 1}, Other: Target{Node: 2}},
		"cut n2 n3 for 2s":                     {Kind: Cut, Target: Target{Node: 1}, Other: Target{Node: 2}, For: 2 * time.Second, Step: 7},
		"kill n2, at the change 7 of its disk": {Kind: Kill, Target: Target{Node: 1}, Step: 7},
		"transfer to n3":                       {Kind: Transfer, Other: Target{Node: 2}},
		"pause the leader (else n1) for 500ms": {Kind: Pause, Target: leading, For: 500 * time.Millisecond},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
