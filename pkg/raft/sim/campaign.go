package sim

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Campaign runs the plans of many seeds, on all processors.
type Campaign struct {
	Options Options // Trace is called by several goroutines at a time
	First   uint64  // seed
	Seeds   uint64
	Twice   bool              // each seed runs twice, and its digests must agree
	Draw    func(uint64) Plan // nil: Draw
	// Each is told each report, one at a time; false ends the campaign with the seeds below. nil: it goes on to the end.
	Each func(Report) bool
}

// Totals sum up a campaign.
type Totals struct {
	Seeds     int
	Events    int
	Simulated time.Duration // of clusters
	Took      time.Duration // of wall-clock time
	Counts    map[string]int
	Failures  []Report
}

// Run runs the campaign. Failures come in the order in which they were found, which depends on the machine; which seeds
// fail does not.
func (c Campaign) Run() Totals {
	if c.Draw == nil {
		c.Draw = Draw
	}
	began := time.Now()
	totals := Totals{Counts: map[string]int{}}
	var mu sync.Mutex // guards next, end, totals
	next, end := c.First, c.First+c.Seeds
	take := func() (seed uint64, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next-1 < end
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed, ok := take(); ok; seed, ok = take() {
				report := c.one(seed)
				mu.Lock()
				totals.add(report)
				if c.Each != nil && !c.Each(report) {
					end = min(end, seed)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	totals.Took = time.Since(began)
	return totals
}

func (c Campaign) one(seed uint64) Report {
	plan := c.Draw(seed)
	report := Run(c.Options, plan)
	if c.Twice && report.Failure == nil {
		if again := Run(c.Options, plan); again.Digest != report.Digest {
			report.Failure = &Failure{Check: Deterministic, Message: fmt.Sprintf("two runs have digests %x and %x", report.Digest, again.Digest)}
		}
	}
	return report
}

func (t *Totals) add(r Report) {
	t.Seeds++
	t.Events += r.Events
	t.Simulated += r.Simulated
	for name, count := range r.Counts {
		t.Counts[name] += count
	}
	if r.Failure != nil {
		t.Failures = append(t.Failures, r)
	}
}

// String tells how much was done, and how fast. An event is one input of a node with all checks made.
func (t Totals) String() string {
	cores := float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	seconds := t.Took.Seconds()
	return fmt.Sprintf("%d seeds in %v: %.1f seeds/s, %.1f cluster-hours per minute, %.0f checked events per second and core; "+
		"per simulated second %.1f operations, %.2f faults, %.0f events",
		t.Seeds, t.Took.Round(time.Millisecond), float64(t.Seeds)/seconds, t.Simulated.Hours()/t.Took.Minutes(), float64(t.Events)/seconds/cores,
		float64(t.Counts["operations"])/t.Simulated.Seconds(), float64(t.Counts["faults"])/t.Simulated.Seconds(), float64(t.Events)/t.Simulated.Seconds())
}
