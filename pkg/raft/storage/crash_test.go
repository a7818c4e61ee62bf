package storage

import (
	"errors"
	"math/rand/v2"
	"testing"
)

var errCrashed = errors.New("the machine is off")

// crasher stops a file system after a number of steps: the step itself may still take effect in part.
type crasher struct {
	left int // steps before the crash
	rng  *rand.Rand
	dead bool
}

func (c *crasher) fault(s memStep) (int, error) {
	if c.dead {
		return 0, errCrashed
	}
	if c.left--; c.left >= 0 {
		return 0, nil
	}
	c.dead = true
	if s.op == "write" {
		return c.rng.IntN(s.size + 1), errCrashed
	}
	return 0, errCrashed
}

// life is a node's disk over many crashes, and what the node was told.
type life struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	files *memFS
	load  *workload
	acked model // survived for sure
	maybe model // with the call that the crash interrupted
}

func newLife(t *testing.T, seed uint64) *life {
	return &life{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), files: newMemFS(), load: newWorkload(seed)}
}

// run opens the log, persists groups and reports whether it came through before the crash.
func (l *life) run(groups, crashAfter int) (survived bool) {
	l.t.Helper()
	c := &crasher{left: crashAfter, rng: l.rng}
	l.files.fault = c.fault
	log, found, err := Open(testOptions(l.files))
	if err != nil {
		if !c.dead {
			l.t.Fatalf("seed %d: open: %v", l.seed, err)
		}
		return false
	}
	l.check(found)
	for range groups {
		l.load.future = l.acked.clone()
		group := l.load.group()
		l.maybe = l.acked.clone()
		l.maybe.persist(group...)
		if err := log.Persist(group...); err != nil {
			if !c.dead || !errors.Is(err, errCrashed) {
				l.t.Fatalf("seed %d: persist: %v", l.seed, err)
			}
			return false
		}
		l.acked = l.maybe.clone()
	}
	mustClose(l.t, log)
	return true
}

// check takes what was recovered for the truth if it holds all that was acknowledged.
func (l *life) check(found Recovered) {
	l.t.Helper()
	if l.maybe.holds(found.State) {
		l.acked = l.maybe.clone() // from now on it is durable and may be relied on
	}
	if diff := l.acked.diff(found.State); diff != "" {
		l.t.Fatalf("seed %d: acknowledged and not recovered:\n%s", l.seed, diff)
	}
	l.maybe = l.acked.clone()
}

func (l *life) crash(how loss) {
	l.files = l.files.crash(how, l.rng)
}

// TestCrash_AtEveryStep runs a workload of some hundred steps and crashes it at each of them, in each
// way; then the recovery is crashed too, and the log must go on from there.
func TestCrash_AtEveryStep(t *testing.T) {
	const groups = 80
	steps := 0
	for how := lossNone; how <= lossSector; how++ {
		for after, done := 0, false; !done; after++ {
			l := newLife(t, 7)
			l.rng = rand.New(rand.NewPCG(uint64(after), uint64(how)))
			done = l.run(groups, after)
			if steps = max(steps, after); done {
				break
			}
			for range 3 {
				l.crash(how)
				if l.run(2, l.rng.IntN(40)) {
					break
				}
			}
			l.crash(how)
			if !l.run(2, 1<<30) {
				t.Fatalf("crash at step %d: no recovery", after)
			}
			l.crash(how)
			l.run(0, 1<<30)
		}
	}
	if steps < 200 {
		t.Errorf("only %d steps were crashed", steps)
	}
}

// TestCrash_ManyLives crashes one disk again and again with writes in between: what was written
// behind a tear must be there the next time.
func TestCrash_ManyLives(t *testing.T) {
	for seed := range uint64(20) {
		l := newLife(t, seed)
		for range 30 {
			l.run(20, l.rng.IntN(60))
			l.crash(loss(l.rng.IntN(3)))
		}
		if !l.run(1, 1<<30) {
			t.Fatalf("seed %d: no recovery", seed)
		}
		if len(l.acked.Entries) < 10 {
			t.Fatalf("seed %d: only %d entries came through, the test is vacuous", seed, len(l.acked.Entries))
		}
	}
}
