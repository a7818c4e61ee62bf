package sim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Draw makes the plan of a seed. Each seed turns some faults off and tunes nodes, network and disks its own way (swarm
// testing): what every run does a little of, none does much of.
func Draw(seed uint64) Plan {
	r := stream(seed, "plan", 0)
	p := Plan{
		Seed: seed, Core: r.Uint64(), Broken: r.IntN(3) > 0,
		Nodes:    one(r, 3, 3, 3, 3, 4, 5, 5, 7),
		Spares:   one(r, 0, 0, 1, 2),
		Duration: between(r, 20*time.Second, 60*time.Second),
		Network: Network{
			Loss:      one(r, 0, 0, 0.01, 0.05, 0.2),
			Duplicate: one(r, 0, 0, 0.05),
			Delay:     one(r, time.Millisecond, 2*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond, 150*time.Millisecond),
			Late:      one(r, 0, 0, 0.01, 0.05),
		},
		Disk: Disk{
			Latency: one(r, time.Millisecond, 2*time.Millisecond, 10*time.Millisecond, 80*time.Millisecond),
			Stall:   one(r, 0, 0, 0, 0.01),
		},
		Tuning: Tuning{
			SnapshotEntries: one(r, 0, 8, 20, 60),
			SnapshotKeep:    one(r, -1, 2, 10),
			ChunkBytes:      one(r, 64, 512, 1<<20),
			SegmentBytes:    one(r, int64(2048), 8192, 1<<20),
			MaxBatch:        one(r, 0, 0, 1, 3),
			MaxInflight:     one(r, 0, 0, 1, 8),
			LeaseReads:      r.IntN(5) == 0,
		},
		Clients: 2 + r.IntN(4),
	}
	if p.Nodes+p.Spares > 7 {
		p.Spares = 0
	}
	if p.Network.Delay > 50*time.Millisecond {
		p.Tuning.LeaseReads = false // hardly a lease would live
	}
	p.drawRequests(stream(seed, "requests", 0))
	p.drawFaults(stream(seed, "faults", 0))
	return p
}

// drawRequests has clients ask for something five to ten times a second in all, of few keys.
func (p *Plan) drawRequests(r *rand.Rand) {
	gap := between(r, 200*time.Millisecond, 400*time.Millisecond)
	keys, reads := 2+r.IntN(6), one(r, 0.2, 0.5, 0.8)
	for at := time.Second; at < p.Duration; at += upTo(r, gap) {
		request := Request{At: at, Client: r.IntN(p.Clients), Key: r.IntN(keys)}
		if r.Float64() < reads {
			request.Kind = Get
		} else {
			request.Kind = one(r, Append, Append, Append, Put, Create, Delete)
		}
		p.Requests = append(p.Requests, request)
	}
}

// weights say how often a fault is drawn when it is on.
var weights = []struct {
	kind   FaultKind
	weight int
}{
	{Kill, 3},
	{Power, 3},
	{FailSync, 1},
	{StallDisk, 1},
	{Pause, 2},
	{Cut, 2},
	{OneWay, 2},
	{Isolate, 3},
	{Deafen, 1},
	{Split, 2},
	{Bridge, 1},
	{Slow, 1},
	{Snapshot, 2},
	{Transfer, 2},
	{Members, 4},
	{Wipe, 1},
}

// drawFaults draws which kinds are on, how close together they come, and then each.
func (p *Plan) drawFaults(r *rand.Rand) {
	var kinds []FaultKind
	for _, w := range weights {
		if r.IntN(2) == 0 {
			kinds = append(kinds, slices.Repeat([]FaultKind{w.kind}, w.weight)...)
		}
	}
	if len(kinds) == 0 {
		kinds = []FaultKind{Kill}
	}
	gap := one(r, 500*time.Millisecond, 2*time.Second, 4*time.Second)
	for at := time.Second; at < p.Duration; at += upTo(r, 2*gap) {
		p.Faults = append(p.Faults, p.drawFault(r, at, one(r, kinds...)))
	}
}

func (p *Plan) drawFault(r *rand.Rand, at time.Duration, kind FaultKind) Fault {
	f := Fault{
		At: at, Kind: kind, Pick: r.Uint64(),
		Target: Target{Leader: r.IntN(3) == 0, Node: r.IntN(p.Nodes + p.Spares)},
		Other:  Target{Node: r.IntN(p.Nodes + p.Spares)},
		For:    one(r, 50*time.Millisecond, 500*time.Millisecond, 2*time.Second, 5*time.Second),
	}
	f.For = between(r, f.For/2, f.For)
	if r.IntN(2) == 0 {
		f.Step = 1 + r.IntN(12)
	}
	if kind == Pause || kind == StallDisk {
		f.For = min(f.For, 3*time.Second)
	}
	return f
}
