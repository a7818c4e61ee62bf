package sim

import (
	"cmp"
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
			MaxPendingBytes: one(r, 0, 0, 0, 256),
			SnapshotSenders: one(r, 0, 0, 1),
			ApplyLatency:    one(r, 0, 0, 0, 20*time.Millisecond, 60*time.Millisecond),
			ApplyBatch:      one(r, 0, 0, 1, 3),
			LeaseReads:      r.IntN(4) == 0,
		},
		Clients: one(r, 2, 4, 8, 16),
	}
	if p.Nodes+p.Spares > 7 {
		p.Spares = 0
	}
	if p.Network.Delay > 50*time.Millisecond {
		p.Tuning.LeaseReads = false // hardly a lease would live
	}
	if r.IntN(8) == 0 { // then nothing is promised while some node disturbs
		p.Tuning.DisablePreVote, p.Tuning.LeaseReads, p.Broken = true, false, false
	}
	p.drawRequests(stream(seed, "requests", 0))
	p.drawFaults(stream(seed, "faults", 0))
	return p
}

// drawRequests has clients ask for something six to thirteen times a second in all, of few keys, and mostly go on while the
// cluster is healed.
func (p *Plan) drawRequests(r *rand.Rand) {
	gap := between(r, 150*time.Millisecond, 350*time.Millisecond)
	keys, reads := max(2+r.IntN(6), p.Clients/2), one(r, 0.2, 0.5, 0.8) // a key that many wait for is hard to judge
	end := p.Duration
	if r.IntN(4) > 0 { // else clients are quiet then, but for one that looks whether the cluster serves it
		end += settleTime + calmTime
	}
	for at := time.Second; at < end; at += upTo(r, gap) {
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
	{Flip, 1},
	{Wipe, 1},
}

// stories are faults that show little apart and much one behind the other, with the times between them; each says what
// Raft must not do then.
var stories = [][]Fault{
	// A leader with a tail that nobody else has comes back just as the one that committed elsewhere goes: the tail is not
	// to win for being long.
	{
		{Kind: Isolate, Target: leading, For: 1800 * time.Millisecond},
		{Kind: Isolate, Target: leading, At: 1790 * time.Millisecond, For: 2 * time.Second},
	},
	// A leader that hands over to a node which is gone takes writes again.
	{
		{Kind: Isolate, Target: Target{Node: 0}, For: 4 * time.Second},
		{Kind: Transfer, Other: Target{Node: 0}, At: time.Millisecond},
	},
	// Two leaders change the members, neither with a majority at first.
	{
		{Kind: Members},
		{Kind: Isolate, Target: leading, At: 3 * time.Millisecond, For: 3 * time.Second},
		{Kind: Members, At: 1500 * time.Millisecond},
		{Kind: Isolate, Target: leading, At: 1520 * time.Millisecond, For: 3 * time.Second},
		{Kind: Members, At: 3200 * time.Millisecond},
	},
	// Two leaders remove one member each. Neither of their majorities may do without the other's.
	{
		{Kind: Isolate, Target: leading, For: 2600 * time.Millisecond},
		{Kind: Remove, Other: Target{Node: 0}, At: time.Millisecond},
		{Kind: Isolate, Target: Target{Node: 1}, At: 1500 * time.Millisecond, For: 1080 * time.Millisecond},
		{Kind: Remove, Other: Target{Node: 2}, At: 1600 * time.Millisecond},
		{Kind: Isolate, Target: leading, At: 2590 * time.Millisecond, For: 3 * time.Second},
	},
	// What one node acknowledged must survive its power, when it and a laggard are the majority.
	{
		{Kind: Isolate, Target: Target{Node: 0}, For: time.Second},
		{Kind: Power, Target: Target{Node: 1}, At: 900 * time.Millisecond, For: 50 * time.Millisecond},
		{Kind: Isolate, Target: leading, At: 990 * time.Millisecond, For: 2 * time.Second},
	},
	// A node that is caught up loses its power in the middle of that, twice.
	{
		{Kind: Isolate, Target: Target{Node: 0}, For: 3 * time.Second},
		{Kind: Power, Target: Target{Node: 0}, At: 2990 * time.Millisecond, For: 500 * time.Millisecond, Step: drawn},
		{Kind: Power, Target: Target{Node: 0}, At: 3900 * time.Millisecond, For: 500 * time.Millisecond, Step: drawn},
	},
	// The same while it learns of another leader.
	{
		{Kind: Isolate, Target: Target{Node: 0}, For: 1500 * time.Millisecond},
		{Kind: Kill, Target: leading, At: 500 * time.Millisecond, For: 500 * time.Millisecond},
		{Kind: Power, Target: Target{Node: 0}, At: 1490 * time.Millisecond, For: 500 * time.Millisecond, Step: drawn},
	},
	// A leader whose disk hangs, and which then stands still: what answers it had asked for say nothing of now.
	{
		{Kind: StallDisk, Target: leading, For: 1900 * time.Millisecond},
		{Kind: Pause, Target: leading, At: 100 * time.Millisecond, For: 1500 * time.Millisecond},
	},
	// A candidate that stands still may get its votes when others have gone on.
	{
		{Kind: Kill, Target: leading, For: 500 * time.Millisecond},
		{Kind: Pause, Target: Target{Node: 0}, At: 700 * time.Millisecond, For: 3 * time.Second},
	},
	// Restarts faster than elections.
	{
		{Kind: Kill, Target: leading, For: 30 * time.Millisecond},
		{Kind: Power, Target: Target{Node: 1}, At: 200 * time.Millisecond, For: 30 * time.Millisecond},
		{Kind: Kill, Target: Target{Node: 2}, At: 400 * time.Millisecond, For: 30 * time.Millisecond},
		{Kind: Kill, Target: Target{Node: 0}, At: 600 * time.Millisecond, For: 30 * time.Millisecond},
		{Kind: Power, Target: leading, At: time.Second, For: 30 * time.Millisecond},
	},
	// Disks that fail and then lose their power.
	{
		{Kind: FailSync, Target: leading, For: 20 * time.Millisecond},
		{Kind: Power, Target: leading, At: 300 * time.Millisecond, For: 50 * time.Millisecond},
		{Kind: FailSync, Target: Target{Node: 1}, At: 400 * time.Millisecond, For: 20 * time.Millisecond},
		{Kind: Power, Target: Target{Node: 1}, At: 900 * time.Millisecond, For: 50 * time.Millisecond},
		{Kind: Isolate, Target: leading, At: 950 * time.Millisecond, For: time.Second},
	},
}

// leaseStories are told to clusters that read by lease.
var leaseStories = [][]Fault{
	// A leader that stood still is to know that others may have gone on.
	{{Kind: Pause, Target: leading, For: 2 * time.Second}},
	// A leader that told another to campaign is to serve no read by its lease any more.
	{
		{Kind: Transfer, Other: Target{Node: 0}},
		{Kind: Isolate, Target: leading, At: 5 * time.Millisecond, For: time.Second},
	},
}

var leading = Target{Leader: true}

// drawn stands for a Step of one to mostSteps.
const (
	drawn     = -1
	mostSteps = 12
)

// drawFaults draws which kinds are on, how close together they come, and then each.
func (p *Plan) drawFaults(r *rand.Rand) {
	var kinds []FaultKind
	for _, w := range weights {
		if r.IntN(2) == 0 {
			kinds = append(kinds, slices.Repeat([]FaultKind{w.kind}, w.weight)...)
		}
	}
	if p.Tuning.LeaseReads {
		kinds = append(kinds, Pause, Pause, Transfer) // a lease is for them to break
	}
	if len(kinds) == 0 {
		kinds = []FaultKind{Kill}
	}
	gap := one(r, 500*time.Millisecond, 2*time.Second, 4*time.Second)
	tell := one(r, 0, 0.2, 0.6)
	for at := time.Second; at < p.Duration; at += upTo(r, 2*gap) {
		if r.Float64() < tell {
			at = p.drawStory(r, at)
			continue
		}
		p.Faults = append(p.Faults, p.drawFault(r, at, one(r, kinds...)))
	}
	if r.IntN(3) == 0 { // what such a story leaves behind nothing covers up before the cluster is healed
		p.drawStory(r, p.Duration-time.Second)
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// drawStory adds a story, told somewhat faster or slower and with the nodes in another order.
func (p *Plan) drawStory(r *rand.Rand, at time.Duration) (end time.Duration) {
	end = at
	shift, pace := r.IntN(p.Nodes), 0.7+0.6*r.Float64()
	told := stories
	if p.Tuning.LeaseReads && r.IntN(2) == 0 {
		told = leaseStories
	}
	for _, f := range one(r, told...) {
		f.At = at + time.Duration(pace*float64(f.At))
		f.For = time.Duration(pace * float64(f.For))
		f.Target.Node = (f.Target.Node + shift) % p.Nodes
		f.Other.Node = (f.Other.Node + shift) % p.Nodes
		if f.Step == drawn {
			f.Step = 1 + r.IntN(mostSteps)
		}
		f.Pick = r.Uint64()
		end = max(end, f.At)
		p.Faults = append(p.Faults, f)
	}
	return end
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
		f.Step = 1 + r.IntN(mostSteps)
	}
	if kind == Pause || kind == StallDisk {
		f.For = min(f.For, 3*time.Second)
		f.Target.Leader = r.IntN(2) == 0
	}
	return f
}
