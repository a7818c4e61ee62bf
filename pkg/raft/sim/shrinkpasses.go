package sim

import (
	"cmp"
	"slices"
	"time"
)

// cutEnd cuts what comes after the failure, and then as much time as it can.
func (s *shrinker) cutEnd() {
	if at := s.report.Failure.At + time.Millisecond; at < s.plan.Duration {
		s.accept(until(s.plan, at.Round(time.Millisecond)))
	}
	for part := s.plan.Duration / 2; part >= 50*time.Millisecond; part /= 2 {
		for s.plan.Duration > part {
			p := until(s.plan, (s.plan.Duration - part).Round(time.Millisecond))
			if !s.acceptAsIs(p) && (4*part < s.plan.Duration || !s.accept(p)) {
				break
			}
		}
	}
}

// until is a plan that ends sooner.
func until(p Plan, end time.Duration) Plan {
	p.Duration = end
	p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool { return f.At > end })
	p.Requests = slices.DeleteFunc(slices.Clone(p.Requests), func(r Request) bool { return r.At > end })
	return p
}

func (s *shrinker) dropFaults() {
	s.drop(func(p Plan) int { return len(p.Faults) }, func(p Plan, from, to int) Plan {
		p.Faults = slices.Delete(slices.Clone(p.Faults), from, to)
		return p
	})
}

func (s *shrinker) dropRequests() {
	s.drop(func(p Plan) int { return len(p.Requests) }, func(p Plan, from, to int) Plan {
		p.Requests = slices.Delete(slices.Clone(p.Requests), from, to)
		return p
	})
}

// coarse is how many pieces are tried of many elements, as long as other passes may yet help to be rid of more at once.
const coarse = 12

// drop is delta debugging by complements: it leaves out ever smaller pieces, the latest first, until no single element
// can go.
func (s *shrinker) drop(count func(Plan) int, without func(p Plan, from, to int) Plan) {
	for piece := count(s.plan); piece > 0; {
		dropped := false
		for to := count(s.plan); to > 0; {
			from := max(0, to-piece)
			if s.accept(without(s.plan, from, to)) {
				dropped = true
			}
			to = from
		}
		least := 1
		if !s.fine {
			least = max(1, count(s.plan)/coarse)
		}
		if piece <= least && !dropped {
			return
		}
		piece = min(max(least, piece/2), count(s.plan))
	}
}

// leastNodes are enough for a majority that is neither one node nor all: readers expect it.
const leastNodes = 3

// dropNodes tries smaller clusters.
func (s *shrinker) dropNodes() {
	for _, nodes := range []int{leastNodes, 5} {
		if s.plan.Nodes > nodes && s.acceptUnder(resized(s.plan, nodes, 0), manySeeds) {
			break
		}
	}
	for s.plan.Spares > 0 && (s.accept(resized(s.plan, s.plan.Nodes, 0)) || s.accept(resized(s.plan, s.plan.Nodes, s.plan.Spares-1))) {
	}
	for node := s.plan.Nodes - 1; node >= 0 && s.plan.Nodes > leastNodes; node-- {
		s.acceptUnder(withoutNode(s.plan, node), manySeeds)
	}
	for s.plan.Clients > 1 && (s.accept(withClients(s.plan, 1)) || s.accept(withClients(s.plan, s.plan.Clients-1))) {
	}
}

// resized is a plan for fewer nodes; targets beyond wrap around.
func resized(p Plan, nodes, spares int) Plan {
	before := p.Nodes
	p.Nodes, p.Spares = nodes, spares
	return retargeted(p, func(node int) int {
		if node >= before { // a spare
			node += nodes - before
		}
		return node % (nodes + spares)
	})
}

// withoutNode is a plan in which one founder is missing; its faults hit the one before.
func withoutNode(p Plan, gone int) Plan {
	p.Nodes--
	return retargeted(p, func(node int) int {
		if node >= gone && node > 0 {
			return node - 1
		}
		return node
	})
}

func retargeted(p Plan, place func(int) int) Plan {
	p.Faults = slices.Clone(p.Faults)
	for i := range p.Faults {
		f := &p.Faults[i]
		f.Target.Node, f.Other.Node = place(f.Target.Node), place(f.Other.Node)
	}
	return p
}

func withClients(p Plan, clients int) Plan {
	p.Clients = clients
	p.Requests = slices.Clone(p.Requests)
	for i := range p.Requests {
		p.Requests[i].Client %= clients
	}
	return p
}

// calm sets what a plan adds to an ideal world back to nothing, one thing after another.
func (s *shrinker) calm() {
	for _, calmer := range []func(*Plan){
		func(p *Plan) { p.Network, p.Disk, p.Tuning = Network{Delay: p.Network.Delay}, Disk{}, Tuning{} },
		func(p *Plan) { p.Network = Network{Delay: p.Network.Delay} },
		func(p *Plan) { p.Network.Late = 0 },
		func(p *Plan) { p.Network.Duplicate = 0 },
		func(p *Plan) { p.Network.Loss = 0 },
		func(p *Plan) { p.Network.Delay = min(p.Network.Delay, 2*time.Millisecond) },
		func(p *Plan) { p.Network.Delay = min(p.Network.Delay, 20*time.Millisecond) },
		func(p *Plan) { p.Disk = Disk{} },
		func(p *Plan) { p.Disk.Stall = 0 },
		func(p *Plan) { p.Disk.Latency = min(p.Disk.Latency, 5*time.Millisecond) },
		func(p *Plan) { p.Tuning = Tuning{} },
		func(p *Plan) { p.Tuning.SnapshotEntries, p.Tuning.SnapshotKeep, p.Tuning.ChunkBytes = 0, 0, 0 },
		func(p *Plan) { p.Tuning.SnapshotKeep = 0 },
		func(p *Plan) { p.Tuning.ChunkBytes = 0 },
		func(p *Plan) { p.Tuning.SegmentBytes = 0 },
		func(p *Plan) { p.Tuning.MaxBatch = 0 },
		func(p *Plan) { p.Tuning.MaxInflight = 0 },
		func(p *Plan) { p.Tuning.MaxPendingBytes = 0 },
		func(p *Plan) { p.Tuning.SnapshotSenders = 0 },
		func(p *Plan) { p.Tuning.ApplyLatency, p.Tuning.ApplyBatch = 0, 0 },
		func(p *Plan) { p.Tuning.LeaseReads = false },
		func(p *Plan) { p.Tuning.DisablePreVote = false },
		func(p *Plan) { p.Broken = false },
		func(p *Plan) { p.Core = min(p.Core, 0) },
		func(p *Plan) { p.Core = min(p.Core, 1) },
		func(p *Plan) { p.Core = min(p.Core, 2) },
		wholeTimes,
		oneKey,
	} {
		p := s.plan
		calmer(&p)
		s.accept(p)
	}
}

// wholeTimes makes times readable.
func wholeTimes(p *Plan) {
	p.Faults, p.Requests = slices.Clone(p.Faults), slices.Clone(p.Requests)
	for i := range p.Faults {
		p.Faults[i].At = p.Faults[i].At.Truncate(time.Millisecond)
		p.Faults[i].For = p.Faults[i].For.Truncate(time.Millisecond)
	}
	for i := range p.Requests {
		p.Requests[i].At = p.Requests[i].At.Truncate(time.Millisecond)
	}
}

func oneKey(p *Plan) {
	p.Requests = slices.Clone(p.Requests)
	for i := range p.Requests {
		p.Requests[i].Key = 0
	}
}

// easeFaults makes each fault shorter and simpler, each request plainer.
func (s *shrinker) easeFaults() {
	for i := range s.plan.Faults {
		for _, easier := range []func(*Fault){
			func(f *Fault) { f.Step = 0 },
			func(f *Fault) {
				if f.Kind == Power {
					f.Kind = Kill
				}
			},
			func(f *Fault) { f.Pick = 0 },
			func(f *Fault) { f.For = 0 },
			func(f *Fault) { f.For /= 4 },
			func(f *Fault) { f.For /= 2 },
			func(f *Fault) { f.For -= f.For / 4 },
			func(f *Fault) { f.For = f.For.Truncate(100 * time.Millisecond) },
			func(f *Fault) { f.For = f.For.Truncate(10 * time.Millisecond) },
		} {
			p := s.plan
			p.Faults = slices.Clone(p.Faults)
			easier(&p.Faults[i])
			s.acceptAsIs(p)
		}
	}
	p := s.plan
	p.Requests = slices.Clone(p.Requests)
	for i := range p.Requests {
		p.Requests[i].Kind = Put
	}
	s.acceptAsIs(p)
	for i := range min(2*coarse, len(s.plan.Requests)) {
		p := s.plan
		p.Requests = slices.Clone(p.Requests)
		p.Requests[i].Kind = Put
		s.acceptAsIs(p)
	}
}

// closeGaps moves what happens after a pause, and all behind it, to an earlier time; the longest pauses first.
func (s *shrinker) closeGaps() {
	var times []time.Duration
	for _, f := range s.plan.Faults {
		times = append(times, f.At)
	}
	for _, r := range s.plan.Requests {
		times = append(times, r.At)
	}
	slices.Sort(times)
	times = append([]time.Duration{0}, slices.Compact(times)...)
	gaps := make([]int, len(times)-1) // the i-th is before times[i+1]
	for i := range gaps {
		gaps[i] = i
	}
	slices.SortStableFunc(gaps, func(i, j int) int { return cmp.Compare(times[j+1]-times[j], times[i+1]-times[i]) })
	for _, i := range gaps[:min(2*coarse, len(gaps))] {
		gap := times[i+1] - times[i]
		for _, by := range []time.Duration{gap, gap / 2, gap / 4} {
			if by = by.Truncate(time.Millisecond); by >= 20*time.Millisecond && s.acceptAsIs(earlier(s.plan, times[i+1], by)) {
				for j := i + 1; j < len(times); j++ {
					times[j] -= by
				}
				break
			}
		}
	}
}

// earlier is a plan in which all from at on happens sooner by so much.
func earlier(p Plan, at, by time.Duration) Plan {
	p.Duration = max(0, p.Duration-by)
	p.Faults, p.Requests = slices.Clone(p.Faults), slices.Clone(p.Requests)
	for i := range p.Faults {
		if p.Faults[i].At >= at {
			p.Faults[i].At -= by
		}
	}
	for i := range p.Requests {
		if p.Requests[i].At >= at {
			p.Requests[i].At -= by
		}
	}
	return p
}

// reseed looks for the seed under which the least happens.
func (s *shrinker) reseed() {
	best, bestReport := s.plan, s.report
	for seed := uint64(1); seed <= 24; seed++ {
		p := s.plan
		p.Seed = seed
		if report, ok := s.fails(p); ok && report.Events < bestReport.Events {
			best, bestReport = p, report
		}
	}
	if best.Seed != s.plan.Seed {
		s.plan, s.report = best, bestReport
		s.accepted++
	}
}
