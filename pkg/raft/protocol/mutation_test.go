//go:build mutants

package protocol

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// alarm takes the place of a test: it notes the first failure and ends the goroutine that ran into it.
type alarm struct {
	testing.TB
	message string
}

func (a *alarm) Helper() {}

func (a *alarm) Logf(string, ...any) {}

func (a *alarm) Fatalf(format string, args ...any) {
	a.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// caught runs scenario under seeds until it raises an alarm.
func caught(t *testing.T, mutant string, seeds uint64, scenario func(tb testing.TB, seed uint64, change func(*Options))) (string, uint64) {
	t.Helper()
	for seed := range seeds {
		a := &alarm{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			scenario(a, seed, func(o *Options) { o.Mutation = Mutation{Name: mutant} })
		}()
		<-done
		if a.message != "" {
			return a.message, seed
		}
	}
	return "", seeds
}

// TestMutants: the checks of the test cluster catch each rule that this package can break, and nothing else.
func TestMutants(t *testing.T) {
	withoutHelp := func(inner func(*Options)) func(*Options) {
		return func(o *Options) {
			inner(o)
			o.DisablePreVote, o.DisableStickiness, o.DisableCheckQuorum = true, true, true
			o.MaxBatch = 1
		}
	}
	anything := func(tb testing.TB, seed uint64, change func(*Options)) { randomRun(tb, seed, withoutHelp(change)) }
	for _, c := range []struct {
		mutant, property string
		scenario         func(testing.TB, uint64, func(*Options))
	}{
		{"vote-twice", "ElectionSafety", anything},
		{"commit-old-term", "by counting", anything},
		{"read-unconfirmed", "read got index", cutOffReads},
		{"no-step-down", "term", deafLeader}, // a later one was shown, or is led elsewhere
		{"no-joint", "LeaderCompleteness", replaceBehindBacks},
		{"stranger-counts", "LeaderCompleteness", func(tb testing.TB, seed uint64, change func(*Options)) { lostDisk(tb, seed, change) }},
		{"lease-outlives-transfer", "read got index", leaseAfterTransfer},
	} {
		t.Run(c.mutant, func(t *testing.T) {
			message, seed := caught(t, c.mutant, 400, c.scenario)
			if message == "" {
				t.Fatal("escaped 400 seeds")
			}
			t.Logf("seed %d: %s", seed, message)
			if !strings.Contains(message, c.property) {
				t.Errorf("caught as %q, want something about %q", message, c.property)
			}
		})
	}
	message, _ := caught(t, "", 50, func(tb testing.TB, seed uint64, change func(*Options)) {
		anything(tb, seed, change)
		deafLeader(tb, seed, change)
		cutOffReads(tb, seed, change)
		leaseAfterTransfer(tb, seed, change)
		replaceBehindBacks(tb, seed, change)
		lostDisk(tb, seed, change)
	})
	if message != "" {
		t.Errorf("false alarm on a sound node: %s", message)
	}
}
