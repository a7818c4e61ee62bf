package kv

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/raft/sim"
)

var (
	simSeed  = flag.Uint64("sim.seed", 1, "`seed` of the first simulated cluster")
	simSeeds = flag.Uint64("sim.seeds", 0, "`number` of simulated clusters, each under a seed of its own; 0: 20, or 5 in short tests")
	simTwice = flag.Bool("sim.twice", false, "run each seed twice: both runs must be the same")
)

// simulation runs seeds on all cores.
type simulation struct {
	first, count uint64
	twice        bool
	run          func(seed uint64) sim.Report

	mu     sync.Mutex // guards the rest
	next   uint64     // seeds handed out
	failed []failedSeed
	seeds  int // run
	events int
	hours  float64
}

// failedSeed is one whose run broke a promise.
type failedSeed struct {
	seed uint64
	what string
}

// TestSimulation runs clusters whose state machine is the real one.
func TestSimulation(t *testing.T) {
	s := simulation{first: *simSeed, count: *simSeeds, twice: *simTwice, run: func(seed uint64) sim.Report {
		return sim.Run(sim.Options{Service: simulated{}}, sim.Draw(seed))
	}}
	if s.count == 0 {
		s.count = 20
		if testing.Short() {
			s.count = 5
		}
	}
	began := time.Now()
	s.all()
	t.Log(s.pace(time.Since(began)))
	if first, ok := s.worst(); ok {
		t.Fatalf("seed %d: %s\nrun it again: go test ./pkg/kv -run '^TestSimulation$' -v -sim.seed %d -sim.seeds 1",
			first.seed, first.what, first.seed)
	}
}

// all runs the seeds, and none above one that failed: of those that fail the lowest is always found.
func (s *simulation) all() {
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				seed, ok := s.take()
				if !ok {
					return
				}
				s.one(seed)
			}
		})
	}
	workers.Wait()
}

func (s *simulation) take() (seed uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == s.count || len(s.failed) > 0 {
		return 0, false
	}
	s.next++
	return s.first + s.next - 1, true
}

func (s *simulation) one(seed uint64) {
	reports := []sim.Report{s.run(seed)}
	if s.twice {
		reports = append(reports, s.run(seed))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	for _, r := range reports {
		s.events += r.Events
		s.hours += r.Simulated.Hours()
	}
	switch again := reports[len(reports)-1]; {
	case reports[0].Failure != nil:
		f := reports[0].Failure
		s.failed = append(s.failed, failedSeed{seed, fmt.Sprintf("%s, at %v: %s", f.Check, f.At, f.Message)})
	case again.Digest != reports[0].Digest:
		s.failed = append(s.failed, failedSeed{seed, fmt.Sprintf("two runs differ: digests %x, %x", reports[0].Digest, again.Digest)})
	}
}

// worst is the lowest seed that failed.
func (s *simulation) worst() (worst failedSeed, any bool) {
	for _, f := range s.failed {
		if !any || f.seed < worst.seed {
			worst, any = f, true
		}
	}
	return worst, any
}

// pace says how much was run in a time.
func (s *simulation) pace(took time.Duration) string {
	cores := runtime.GOMAXPROCS(0)
	return fmt.Sprintf("%d seeds in %v: %.1f seeds/s, %.1f simulated cluster-hours per minute, %.0f checked events per second and core",
		s.seeds, took.Round(time.Millisecond), float64(s.seeds)/took.Seconds(), s.hours/took.Minutes(),
		float64(s.events)/took.Seconds()/float64(cores))
}
