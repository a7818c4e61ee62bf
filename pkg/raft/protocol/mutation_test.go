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

// bareRun is a random run without pre-vote, stickiness and check-quorum, which hide much.
func bareRun(tb testing.TB, seed uint64, change func(*Options)) {
	randomRun(tb, seed, func(o *Options) {
		change(o)
		o.DisablePreVote, o.DisableStickiness, o.DisableCheckQuorum = true, true, true
		o.MaxBatch = 1
	})
}

func helpedRun(tb testing.TB, seed uint64, change func(*Options)) { randomRun(tb, seed, change) }

func removalsRun(tb testing.TB, seed uint64, change func(*Options)) {
	removeBehindBacks(tb, seed, change)
}

func lostDiskRun(tb testing.TB, seed uint64, change func(*Options)) { lostDisk(tb, seed, change) }

// TestMutants: the checks of the test cluster catch rules that this package can break, each by what it promises.
func TestMutants(t *testing.T) {
	for _, c := range []struct {
		mutant, property string
		scenario         func(testing.TB, uint64, func(*Options))
	}{
		{"vote-twice", "ElectionSafety", bareRun},
		{"commit-old-term", "by counting", bareRun},
		{"read-unconfirmed", "read got index", cutOffReads},
		{"no-step-down", "term", deafLeader}, // a later one was shown, or is led elsewhere
		{"no-joint", "LeaderCompleteness", replaceBehindBacks},
		{"member-before-noop", "LeaderCompleteness", removalsRun},
		{"stranger-counts", "LeaderCompleteness", lostDiskRun},
		{"lease-outlives-transfer", "read got index", leaseAfterTransfer},
		{"vote-cleared", "ElectionSafety", bareRun},
		{"vote-late-reply", "both lead", helpedRun},
		{"prevote-remembers", "no leader", deadLeader},
		{"heartbeat-storm", "requests in a second", idleLeader},
		{"term-falls", "term fell", bareRun},
		{"ae-keeps-tail", "LogMatching", bareRun},
		{"ae-heartbeat-ok", "no agreement", helpedRun},
		{"ae-commit-unverified", "StateMachineSafety", bareRun},
		{"apply-uncommitted", "StateMachineSafety", bareRun},
		{"commit-falls", "StateMachineSafety", bareRun},
		{"commit-no-noop", "no agreement", bareRun},
		{"member-lost-on-restart", "", helpedRun}, // whichever shows first
		{"member-not-in-snapshot", "", bareRun},
		{"read-no-noop", "read got index", bareRun},
		{"read-shares-index", "read got index", bareRun},
		{"read-lease-pause", "read got index", leaseAfterPause},
		{"transfer-stuck", "", helpedRun},
		{"read-ack-reused", "nobody confirmed", earlierAnswers},
		{"prevote-no-log", "raised the term", hopelessCandidate},
		{"ae-match-falls", "held entry", lateAnswers},
		{"snap-ack-early", "not on its disk", helpedRun},
		{"quota-leak", "proposals of 10 bytes were committed", eagerClients},
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
}

// TestMutants_None: a sound node raises no alarm.
func TestMutants_None(t *testing.T) {
	message, _ := caught(t, "", 50, func(tb testing.TB, seed uint64, change func(*Options)) {
		bareRun(tb, seed, change)
		deafLeader(tb, seed, change)
		cutOffReads(tb, seed, change)
		leaseAfterTransfer(tb, seed, change)
		leaseAfterPause(tb, seed, change)
		deadLeader(tb, seed, change)
		idleLeader(tb, seed, change)
		eagerClients(tb, seed, change)
		earlierAnswers(tb, seed, change)
		hopelessCandidate(tb, seed, change)
		lateAnswers(tb, seed, change)
		replaceBehindBacks(tb, seed, change)
		removeBehindBacks(tb, seed, change)
		lostDisk(tb, seed, change)
	})
	if message != "" {
		t.Errorf("false alarm on a sound node: %s", message)
	}
}
