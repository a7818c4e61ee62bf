package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/observe"
)

// stillTick is how often the harness looks whether time passes for it.
const stillTick = 10 * time.Millisecond

// stillness measures the longest time for which this process stood still though it wanted to run. If the
// machine leaves the harness without a processor, it leaves the nodes without one too, and what
// they then do late proves nothing.
type stillness struct {
	quit chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex // guards worst
	worst time.Duration
}

func watchStillness() *stillness {
	s := &stillness{quit: make(chan struct{})}
	s.done.Go(s.run)
	return s
}

func (s *stillness) run() {
	ticker := time.NewTicker(stillTick)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-s.quit:
			return
		}
		now := time.Now()
		s.mu.Lock()
		s.worst = max(s.worst, now.Sub(last)-stillTick)
		s.mu.Unlock()
		last = now
	}
}

// stop ends the watch and returns the longest stillness.
func (s *stillness) stop() time.Duration {
	close(s.quit)
	s.done.Wait()
	return s.worst
}

// leastStill is the shortest stillness that excuses anything: Go's own pauses stay below.
const leastStill = 50 * time.Millisecond

// pauses reports whether the scenario makes processes stand still itself.
func (s *Scenario) pauses() bool {
	return slices.ContainsFunc(s.Timeline, func(step Step) bool { return step.Pause != nil })
}

// slowestScrape is the longest time that a process which was not asked to stand still took to show its metrics:
// a page that takes that long tells of a process without a processor.
func slowestScrape(samples map[string][]observe.Sample) time.Duration {
	var slowest time.Duration
	for _, process := range samples {
		for _, sample := range process {
			if sample.Err == "" {
				slowest = max(slowest, sample.ScrapeDuration)
			}
		}
	}
	return slowest
}

// excuse turns failures to do something in time into unknowns, if the machine stood still for half an
// election time-out or more. What was done wrongly stays wrong.
func (r *run) excuse(findings []check.Finding) {
	if r.still < max(leastStill, r.flag("election-timeout", defaultElectionTimeout)/2) {
		return
	}
	for i := range findings {
		f := &findings[i]
		timely := f.Check == "commit-progress" || f.Check == "elections" || r.late[f.Check]
		if f.Verdict == check.Fail && timely {
			f.Verdict = check.Unknown
			f.Summary = fmt.Sprintf("%s; but a process stood still for %v: this machine is too busy to tell", f.Summary, r.still.Round(time.Millisecond))
		}
	}
}

// isLate reports whether an error of the runner is that something took too long.
func isLate(err error) bool {
	_, stalled := errors.AsType[*stall](err)
	return stalled || errors.Is(err, context.DeadlineExceeded)
}
