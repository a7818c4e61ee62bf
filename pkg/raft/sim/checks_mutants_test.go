//go:build mutants

package sim

import (
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
)

// mutantSeeds is how many seeds a mutant may survive.
const mutantSeeds = 150

// TestChecks_Mutants: a rule broken on purpose breaks the promise that rests on it. What no rule of Raft or storage can
// break alone is seen to fail in TestChecks_SeenToFail.
func TestChecks_Mutants(t *testing.T) {
	for _, c := range []struct {
		check, mutant string
		says          []string
	}{
		{ElectionSafety, "vote-late-reply", []string{" both lead term "}},
		{LogMatching, "ae-keeps-tail", []string{"n", " follows "}},
		{LeaderCompleteness, "commit-old-term", []string{": leader of term ", " by counting"}},
		{LeaderCompleteness, "ae-heartbeat-ok", []string{" leads term ", " without ", "which is committed"}},
		{StateMachineSafety, "ae-commit-unverified", []string{" commits ", " where ", " is committed"}},
		{StateMachineSafety, "apply-uncommitted", []string{"n", ": ", "appli", " committed"}},
		{VoteOnce, "vote-twice", []string{"n", " in term "}},
		{VoteOnce, "vote-cleared", []string{"n", " in term "}},
		{TermMonotonic, "term-falls", []string{"n", ": term fell from "}},
		{TermAdopted, "no-step-down", []string{"n", " was shown term ", " and stays in term "}},
		{CommitMajority, "commit-self-unsynced", []string{"n", " commits ", " in term ", "no majority of "}},
		{CommitMajority, "ae-ack-own-length", []string{"n", " commits ", " in term ", "no majority of "}},
		{Durability, "vote-forgotten", []string{"n", " starts "}},
		{Durability, "ack-before-fsync", []string{"n", " starts ", " and has "}},
		{StorageRecovers, "dir-not-synced", []string{"n", " cannot start: "}},
		{FreshReads, "read-unconfirmed", []string{"n", " serves read #", " from index "}},
		{FreshReads, "read-shares-index", []string{"n", " serves read #", " from index "}},
		{HeartbeatLimit, "heartbeat-storm", []string{"n", " sends n", " 11 heartbeats within "}},
		{Liveness, "commit-no-noop", []string{"nothing commits within 12s although n", "how they stand:"}},
		{Calm, "no-prevote", []string{"n", " lost their leader ", "gave up office ", " had campaigned"}},
		{Convergence, "quota-leak", []string{"no agreement within ", " of term ", " waits since "}},
	} {
		t.Run(c.check+"/"+c.mutant, func(t *testing.T) {
			f := mutantFailure(c.mutant, c.check)
			if f == nil {
				t.Fatalf("escapes %d seeds", mutantSeeds)
			}
			t.Logf("%v: %s", f.At, f.Message)
			for _, part := range c.says {
				if !strings.Contains(f.Message, part) {
					t.Errorf("%q is missing", part)
				}
			}
		})
	}
}

// mutantFailure is how the mutant breaks the check under the lowest seed that has it do so; nil: it never does.
func mutantFailure(mutant, check string) *Failure {
	var lowest *Report
	Campaign{
		Options: Options{Service: ledgers{}, Mutation: protocol.Mutation{Name: mutant}}, Seeds: mutantSeeds,
		Each: func(r Report) bool {
			if r.Failure == nil || r.Failure.Check != check {
				return true
			}
			if lowest == nil || r.Plan.Seed < lowest.Plan.Seed {
				lowest = &r
			}
			return false
		},
	}.Run()
	if lowest == nil {
		return nil
	}
	return lowest.Failure
}
