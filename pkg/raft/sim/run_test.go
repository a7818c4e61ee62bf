package sim

import (
	"flag"
	"runtime"
	"sync"
	"testing"
	"time"
)

var (
	seeds = flag.Uint64("sim.seeds", 40, "`number` of seeds to run")
	first = flag.Uint64("sim.seed", 0, "the first `seed`")
)

func TestRun_Sound(t *testing.T) {
	began := time.Now()
	events, simulated := 0, time.Duration(0)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := *first
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				mu.Unlock()
				if seed >= *first+*seeds {
					return
				}
				report := Run(Options{Service: ledgers{}}, Draw(seed))
				again := Run(Options{Service: ledgers{}}, Draw(seed))
				mu.Lock()
				events += report.Events
				simulated += report.Simulated
				if report.Failure != nil {
					t.Errorf("seed %d at %v: %s: %s %v", seed, report.Failure.At, report.Failure.Check, report.Failure.Message, report.Counts)
				} else if again.Digest != report.Digest {
					t.Errorf("seed %d: digests %x and %x differ", seed, report.Digest, again.Digest)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	t.Logf("%d events, %v simulated, %.0f events/s, %.1f h/min", events, simulated, float64(events)/took.Seconds(), simulated.Hours()/took.Minutes())
}
